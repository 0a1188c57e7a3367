// The three ways in which the official client can travel, and the clients and parsers that do.
import { describe } from "node:test";
import { io as newest } from "socket.io-client";
import { io as oldest } from "socket.io-client-4.0";
import * as parser from "socket.io-msgpack-parser";

export const MODES = [
  { name: "polling only", transports: ["polling"] },
  { name: "websocket only", transports: ["websocket"] },
  { name: "polling with upgrade", transports: ["polling", "websocket"] },
];

/** `io` makes the client, `options` go to it, `env` to the server. `restless`: what only takes time is left out. */
export const NEWEST = { name: "newest client", io: newest, options: {}, env: {} };
/** The first release line that speaks this protocol. It stays `active` when it is refused. */
export const OLDEST = { name: "client 4.0", io: oldest, options: {}, env: {}, restless: true, staysActive: true };

/** The same client with `socket.io-msgpack-parser`. */
export function msgpack(variant) {
  return { ...variant, name: `${variant.name} with msgpack`, options: { parser }, env: { PARSER: "msgpack" }, restless: true };
}

/** Runs `scenarios(mode)` once for each mode, as a suite of its own; the mode carries the client of `variant`. */
export function inEveryMode(title, scenarios, { io, options } = NEWEST) {
  for (const mode of MODES) describe(`${title}, ${mode.name}`, () => scenarios({ ...mode, io, options }));
}
