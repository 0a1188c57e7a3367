// One attack for each row of what a client can do to a server; each goes on until its process is ended.
import { deadline } from "../support/wait.js";
import { Wire, frame, text } from "./wire.js";

const POLLING = "/socket.io/?EIO=4&transport=polling";
const pause = (ms) => deadline(performance.now() + ms);

/** `many` times at once, each again as soon as it is over. */
function always(many, act) {
  const loop = async (place) => {
    for (;;) {
      await act(place).catch(() => {});
      // Whoever is refused at once must not stop the others of this process.
      await pause(1);
    }
  };
  return Promise.all(Array.from({ length: many }, (_, place) => loop(place)));
}

/** On a WebSocket that has joined: `bytes` as often as the server takes them. */
function flood(many, bytes, options = {}) {
  return ({ port, token }) =>
    always(many, async () => {
      const wire = await Wire.websocket(port, { token, ...options });
      while (wire.open) await wire.write(bytes);
    });
}

/** Connections that are held until the server ends them. */
function hold(many, begin) {
  return (target) =>
    always(many, async (place) => {
      const wire = await begin(target, place);
      await wire.closed;
    });
}

const repeat = (count, piece) => Buffer.concat(Array.from({ length: count }, (_, place) => piece(place)));
const deep = text(`42["a",${"[".repeat(6000)}${"]".repeat(6000)}]`);
const places = (count) => Array.from({ length: count }, (_, num) => JSON.stringify({ _placeholder: true, num })).join(",");
const post = (port, target, body, type = "text/plain") =>
  Wire.request(port, "POST", target, body, `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`);

/** A polling session of its own; gives its query. */
async function session(port) {
  const response = await fetch(`http://127.0.0.1:${port}${POLLING}`);
  return `&sid=${JSON.parse((await response.text()).slice(1)).sid}`;
}

export const ATTACKS = {
  "pongs that nobody asked for": flood(2, repeat(1000, () => text("3"))),
  "pings and pongs of WebSocket": flood(8, repeat(100, (place) => frame(place % 2 ? 0x89 : 0x8a, "x"))),
  "empty fragments without end": flood(8, Buffer.concat([frame(0x01, "4"), repeat(2000, () => frame(0x00))])),
  "frames that claim a gigabyte": flood(8, frame(0x82, "x".repeat(100), 2 ** 30)),
  "frames that break the protocol": flood(8, frame(0xb3, "x")),
  "half a binary packet": hold(200, async ({ port, token }) => {
    const wire = await Wire.websocket(port, { token });
    await wire.write(text(`454-["a",${places(4)}]`));
    await wire.write(frame(0x82, Buffer.alloc(90_000)));
    return wire;
  }),
  "more attachments than a message": flood(8, Buffer.concat([text(`454-["a",${places(4)}]`), repeat(4, () => frame(0x82, Buffer.alloc(90_000)))])),
  "nesting beyond any stack": flood(8, deep),
  "answers that nobody waits for": flood(4, repeat(1000, (place) => text(`43${place}["x"]`))),
  "namespaces that are not there": flood(8, repeat(100, (place) => text(`40/dyn${place},`))),
  "rooms of chats that are not there": flood(4, repeat(100, (place) => text(`42${place}["join-chat",{"chatId":"00000000-0000-0000-0000-${String(place).padStart(12, "0")}"}]`))),
  "messages faster than allowed": ({ port, token, chat }) => flood(4, repeat(100, (place) => text(`42${place}${JSON.stringify(["send-message", { chatId: chat, content: "x".repeat(1000) }])}`)))({ port, token }),
  "a reader that never reads": flood(8, repeat(100, (place) => text(`42${place}["nothing-like-this",{"filler":"${"x".repeat(500)}"}]`)), { reads: false }),
  "connections that say nothing": hold(400, async ({ port }) => new Wire(port)),
  "a header by and by": hold(400, async ({ port }) => {
    const wire = new Wire(port);
    await wire.ready;
    await wire.write("GET /socket.io/?EIO=4&tra");
    return wire;
  }),
  "a body that stops": hold(300, async ({ port }) => {
    const wire = await Wire.request(port, "POST", `${POLLING}${await session(port)}`, "4a", "Content-Length: 100\r\n");
    return wire;
  }),
  "bodies that are too long": ({ port }) => always(8, async () => {
    const wire = await post(port, `${POLLING}${await session(port)}`, "4".repeat(1_000_000));
    await wire.closed;
  }),
  "bodies of nothing but separators": ({ port }) => always(8, async () => {
    const wire = await post(port, `${POLLING}${await session(port)}`, "\u001e".repeat(99_000));
    await wire.closed;
  }),
  "bodies of many small packets": ({ port }) => always(8, async () => {
    const wire = await post(port, `${POLLING}${await session(port)}`, Array(4096).fill("4").join("\u001e"));
    await wire.closed;
  }),
  "sessions that never say who they are": hold(400, ({ port }) => Wire.websocket(port)),
  "upgrades that are never finished": hold(300, async ({ port }) => Wire.websocket(port, { sid: await session(port) })),
  "session ids that are guessed": ({ port }) => always(8, async () => {
    const wire = await Wire.request(port, "GET", `${POLLING}&sid=${Math.random().toString(36).slice(2)}`);
    await wire.closed;
  }),
  "passwords that are guessed": ({ port }) => always(4, async () => {
    const body = JSON.stringify({ email: `${Math.random()}@example.com`, password: "wrong horse battery" });
    const wire = await post(port, "/api/auth/login", body, "application/json");
    await wire.closed;
  }),
  "connections that are reset": ({ port, token }) => always(8, async () => {
    const wire = await Wire.websocket(port, { token });
    wire.socket.resetAndDestroy();
    await wire.closed;
  }),
};
