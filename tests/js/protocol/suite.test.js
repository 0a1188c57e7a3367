// Scenarios of the official client on the example server `socketio_suite`, whose heartbeat is quick.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, connect, open, settledTransport } from "../support/client.js";
import { inEveryMode } from "../support/modes.js";
import { startExample } from "../support/server.js";
import { next, record, stepsWithin, until } from "../support/wait.js";

/** Under the 500 ms after which the heartbeat gives a client up. */
stepsWithin(450);
/** Four pings, 300 ms after the pong before. */
const FOUR_PINGS_MS = 4 * (300 + 120);

let server;
before(async () => {
  server = await startExample("socketio_suite");
});
after(() => server.stop());

inEveryMode("the example server socketio_suite", (mode) => {
  for (const namespace of ["/", "/custom"]) {
    test(`auth, messages, acknowledgements and binary work on ${namespace}`, async (t) => {
      const socket = open(t, server.url + namespace, mode, { auth: { token: "123" } });
      assert.deepEqual(await next(socket, "auth"), { token: "123" });
      const bytes = Buffer.from([1, 2, 3, 4]);
      const back = next(socket, "message-back");
      socket.emit("message", 1, "2", { 3: [true], bytes });
      assert.deepEqual(await back, [1, "2", { 3: [true], bytes }]);
      assert.deepEqual(await ask(socket, "message-with-ack", bytes, "x"), [bytes, "x"]);
    });
  }

  test("the connection outlives eight heartbeats under traffic and at rest", async (t) => {
    const socket = await connect(t, server.url, mode);
    await settledTransport(socket, mode);
    const gone = record(socket, "disconnect");
    let pings = 0;
    socket.io.engine.on("packet", ({ type }) => (pings += type === "ping"));
    await until("four pings under traffic", async () => {
      const at = pings;
      assert.equal(await ask(socket, "message-with-ack", at), at);
      return pings >= 4;
    }, FOUR_PINGS_MS);
    await until("four pings at rest", () => pings >= 8 || gone.length, FOUR_PINGS_MS);
    assert.equal(await ask(socket, "message-with-ack", "alive"), "alive");
    assert.deepEqual(gone, []);
  });

  test("a client that leaves and comes back gets a new socket", async (t) => {
    const socket = await connect(t, server.url, mode);
    const first = socket.id;
    const gone = next(socket, "disconnect");
    socket.disconnect();
    assert.equal([await gone].flat()[0], "io client disconnect");
    const auth = next(socket, "auth");
    socket.connect();
    assert.deepEqual(await auth, {});
    assert.notEqual(socket.id, first);
  });

  test("the handshake tells the client the heartbeat and the largest payload", async (t) => {
    const socket = open(t, server.url, mode);
    const { engine } = socket.io;
    const data = await next(engine, "handshake");
    assert.deepEqual(Object.keys(data).sort(), ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]);
    assert.deepEqual([data.pingInterval, data.pingTimeout, data.maxPayload], [300, 200, 1_000_000]);
    await next(socket, "connect");
  });
});
