// HTTP/1.1 byte by byte: what is written is what is sent, and a reply is kept as it came.
import { connect } from "node:net";
import { deadline, within } from "./wait.js";

const REPLY_MS = 1000;
/** How long more frames are waited for behind a 101. */
const FRAMES_MS = 60;

/**
 * Writes `bytes` on a connection of its own and reads one reply:
 * `{status, headers: [[name, value], …], body, rest}`; `rest` is what follows a 101, until nothing more comes. Names
 * are in lower case, the body is taken out of its chunks.
 */
export async function exchange(port, bytes) {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(bytes, "latin1");
  let received = Buffer.alloc(0);
  let ended = false;
  let wake = () => {};
  socket.on("data", (data) => {
    received = Buffer.concat([received, data]);
    wake();
  });
  socket.on("close", () => {
    ended = true;
    wake();
  });
  const read = async () => {
    for (;;) {
      const reply = parse(received, ended);
      if (reply) return reply;
      if (ended) return { status: "", headers: [], body: "", rest: "" };
      await new Promise((resolve) => (wake = resolve));
    }
  };
  try {
    const reply = await within(REPLY_MS, `a reply to ${bytes.slice(0, 120)}`, read());
    if (!reply.status.includes(" 101 ")) return reply;
    for (let seen = -1; !ended && seen !== received.length; ) {
      seen = received.length;
      await deadline(performance.now() + FRAMES_MS);
    }
    return parse(received, true);
  } finally {
    socket.destroy();
  }
}

function parse(bytes, ended) {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const [status, ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const value = (name) => headers.find(([key]) => key === name)?.[1];
  const rest = bytes.subarray(end + 4);
  const done = (body, length) => ({ status, headers, body: body.toString("latin1"), rest: rest.subarray(length) });
  if (/ (101|204|304) /.test(status)) return done(Buffer.alloc(0), 0);
  if (value("transfer-encoding") === "chunked") {
    const chunks = unchunk(rest);
    return chunks && done(chunks.body, chunks.length);
  }
  const length = value("content-length");
  if (length === undefined) return ended ? done(rest, rest.length) : null;
  return rest.length >= Number(length) ? done(rest.subarray(0, Number(length)), Number(length)) : null;
}

function unchunk(bytes) {
  const parts = [];
  for (let at = 0; ; ) {
    const line = bytes.indexOf("\r\n", at);
    if (line < 0) return null;
    const size = Number.parseInt(bytes.toString("latin1", at, line), 16);
    const next = line + 2 + size + 2;
    if (bytes.length < next) return null;
    if (size === 0) return { body: Buffer.concat(parts), length: next };
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = next;
  }
}
