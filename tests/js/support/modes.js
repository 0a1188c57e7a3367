// The three ways in which the official client can travel.
import { describe } from "node:test";

export const MODES = [
  { name: "polling only", transports: ["polling"] },
  { name: "websocket only", transports: ["websocket"] },
  { name: "polling with upgrade", transports: ["polling", "websocket"] },
];

/** Runs `scenarios(mode)` once for each mode, as a suite of its own. */
export function inEveryMode(title, scenarios) {
  for (const mode of MODES) describe(`${title}, ${mode.name}`, () => scenarios(mode));
}
