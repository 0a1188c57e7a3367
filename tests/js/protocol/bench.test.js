// The example server `bench` does what its contract says; how fast is measured elsewhere.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, connect } from "../support/client.js";
import { inEveryMode } from "../support/modes.js";
import { REFERENCE, startExample } from "../support/server.js";
import { next } from "../support/wait.js";

const skip = REFERENCE && "the official server has peers of its own for measuring";

let server;
before(async () => {
  if (!skip) server = await startExample("bench");
});
after(() => server?.stop());

inEveryMode("the example server bench", (mode) => {
  test("an echo is acknowledged with its argument, binary too", { skip }, async (t) => {
    const socket = await connect(t, server.url, mode);
    const bytes = Buffer.alloc(128, 7);
    assert.equal(await ask(socket, "bench-echo", "x".repeat(128)), "x".repeat(128));
    assert.deepEqual(await ask(socket, "bench-echo", bytes), bytes);
  });

  test("a broadcast reaches everybody, its sender included", { skip }, async (t) => {
    const sockets = await Promise.all([1, 2, 3].map(() => connect(t, server.url, mode)));
    const heard = sockets.map((socket) => next(socket, "bench-message"));
    sockets[0].emit("bench-broadcast", "payload");
    assert.deepEqual(await Promise.all(heard), ["payload", "payload", "payload"]);
  });
});
