// Conformance sections 0 and 1: the example server `engineio_suite`, an echo.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { Endpoint } from "../support/raw.js";
import { startExample } from "../support/server.js";
import { test } from "../support/undisturbed.js";
import { engineRules } from "./engine_rules.js";

const at = {
  joinPolling() {},
  joinSocket() {},
  say: (n) => `4hello ${n}`,
  heard: (n) => `4hello ${n}`,
};

let server;
before(async () => {
  server = await startExample("engineio_suite");
  at.endpoint = new Endpoint(server, "/engine.io/");
});
after(() => server.stop());

describe("engineio_suite", () => {
  engineRules(at);

  describe("messages", () => {
    test("polling: text comes back as it was", async () => {
      const session = await at.endpoint.poll();
      await session.post("4hello");
      assert.equal(await session.get(), "4hello");
    });

    test("polling: text and binary come back in one payload", async () => {
      const session = await at.endpoint.poll();
      await session.post("4hello\x1ebAQIDBA==");
      assert.equal(await session.get(), "4hello\x1ebAQIDBA==");
    });

    test("polling: an empty message is a message", async () => {
      const session = await at.endpoint.poll();
      await session.post("4");
      assert.equal(await session.get(), "4");
    });

    test("polling: a body of exactly maxPayload bytes is taken", async () => {
      const session = await at.endpoint.poll();
      const body = `4${"€".repeat(333_333)}`;
      assert.equal(Buffer.byteLength(body), 1_000_000);
      const { status, text } = await session.request({ method: "POST", body }, 1000);
      assert.deepEqual([status, text], [200, "ok"]);
      assert.equal(await session.get(1000), body);
    });

    test("polling: a chunked body whose characters are cut apart is read whole", async () => {
      const session = await at.endpoint.poll();
      const bytes = Buffer.from("4a€😀b");
      const body = new ReadableStream({
        async pull(controller) {
          for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
          controller.close();
        },
      });
      const { status } = await session.request({ method: "POST", body, duplex: "half" });
      assert.equal(status, 200);
      assert.equal(await session.get(), "4a€😀b");
    });

    test("polling: a waiting GET is answered as soon as there is something", async () => {
      const session = await at.endpoint.poll();
      const pending = await session.pend();
      await session.post("4now");
      assert.equal((await pending.answer).text, "4now");
    });

    test("websocket: text comes back as text", async (t) => {
      const socket = await at.endpoint.stream();
      t.after(() => socket.end());
      socket.send("4hello");
      assert.equal(await socket.text(), "4hello");
    });

    test("websocket: binary comes back as a binary frame without a type byte", async (t) => {
      const socket = await at.endpoint.stream();
      t.after(() => socket.end());
      for (const bytes of [Buffer.from([1, 2, 3, 4]), Buffer.alloc(0), Buffer.alloc(70_000, 7)]) {
        socket.send(bytes);
        assert.deepEqual(await socket.frame(), bytes);
      }
    });

    test("websocket: a text frame that begins with b is binary in base64", async (t) => {
      const socket = await at.endpoint.stream();
      t.after(() => socket.end());
      socket.send("bAQIDBA==");
      assert.deepEqual(await socket.frame(), Buffer.from([1, 2, 3, 4]));
    });

    test("many messages come back in order over both transports", async (t) => {
      const numbers = Array.from({ length: 500 }, (_, i) => `4${i}`);
      const socket = await at.endpoint.stream();
      t.after(() => socket.end());
      for (const packet of numbers) socket.send(packet);
      for (const packet of numbers) assert.equal(await socket.beyondPings(500), packet);
      const session = await at.endpoint.poll();
      await session.post(numbers.slice(0, 100).join("\x1e"));
      assert.equal(await session.get(), numbers.slice(0, 100).join("\x1e"));
    });
  });
});
