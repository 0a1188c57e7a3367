// Parlance's parsers beside the official ones, for a few seconds; `fuzz/long` does it for long.
import assert from "node:assert/strict";
import { test } from "node:test";
import { binary, Server } from "../support/server.js";

test("both parsers read and write the same, but for the list of known differences", async () => {
  const { code, log } = await Server.run(binary("examples/differential"), ["5"]);
  assert.equal(code, 0, log);
  assert.match(log, /inputs without a fault/);
});
