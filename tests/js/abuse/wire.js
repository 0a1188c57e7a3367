// A connection as an attacker has it: bytes, and no answer to anything.
import { connect } from "node:net";

/** Where the attacks come from; the honest people are at 127.0.0.1. */
const FROM = "127.0.0.2";

/** A masked frame; `first` is its first byte. `claimed` is the length that it says it has. */
export function frame(first, payload = "", claimed) {
  const bytes = Buffer.from(payload);
  const length = claimed ?? bytes.length;
  const head = [first];
  if (length < 126) head.push(0x80 | length);
  else if (length < 65536) head.push(0x80 | 126, length >> 8, length & 255);
  else head.push(0x80 | 127, ...new Uint8Array(new BigUint64Array([BigInt(length)]).buffer).reverse());
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), bytes]);
}

export const text = (content) => frame(0x81, content);

export class Wire {
  constructor(port, { reads = true } = {}) {
    this.open = true;
    this.socket = connect({ port, host: "127.0.0.1", localAddress: FROM });
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => this.socket.on("close", () => ((this.open = false), resolve())));
    this.ready = new Promise((resolve) => this.socket.on("connect", resolve).on("close", resolve));
    if (reads) this.socket.resume();
  }

  /** Resolves when the system has taken the bytes, or the connection has ended. */
  write(bytes) {
    if (!this.open) return Promise.resolve();
    const written = new Promise((resolve) => this.socket.write(bytes, resolve));
    return Promise.race([written, this.closed]);
  }

  close() {
    this.socket.destroy();
  }

  /** A WebSocket; with a token it has joined the main namespace. */
  static async websocket(port, { token, sid = "", reads } = {}) {
    const wire = new Wire(port, { reads });
    await wire.ready;
    await wire.write(
      `GET /socket.io/?EIO=4&transport=websocket${sid} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n` +
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    if (token) await wire.write(text(`40${JSON.stringify({ token })}`));
    return wire;
  }

  /** A request; the connection is the caller's to close. */
  static async request(port, method, target, body = "", headers = "") {
    const wire = new Wire(port);
    await wire.ready;
    await wire.write(`${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n${body}`);
    return wire;
  }
}
