// The official engine.io-client against the example servers, on every way in which it can travel.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Socket } from "engine.io-client";
import { inEveryMode } from "../support/modes.js";
import { startExample } from "../support/server.js";
import { next, record, stepsWithin, until } from "../support/wait.js";

/** Under the 500 ms after which the heartbeat of `engineio_suite` gives a client up. */
stepsWithin(450);
/** What takes longer than a step: many messages, and the heartbeat itself. */
const LONG_MS = 3000;

/** Opens a client, and closes it with the test. Messages are kept in `socket.heard`. */
async function open(t, server, { transports }, options = {}) {
  const socket = new Socket(server.url.replace("http", "ws"), { transports, ...options });
  t.after(() => socket.close());
  socket.heard = record(socket, "message");
  socket.closings = record(socket, "close");
  await next(socket, "open");
  if (transports.length > 1) await until("the upgrade", () => socket.transport.name === "websocket");
  return socket;
}

const heard = (socket, count, bound) => until(`${count} messages`, () => socket.heard.length >= count && socket.heard, bound);

describe("engine.io-client on engineio_suite", () => {
  let server;
  before(async () => (server = await startExample("engineio_suite")));
  after(() => server.stop());

  inEveryMode("an echo", (mode) => {
    test("texts of every kind come back", async (t) => {
      const socket = await open(t, server, mode);
      const texts = ["hello", "€ 😀 \u2028", "b64", "\u0000", "x".repeat(200_000)];
      for (const text of texts) socket.send(text);
      const echoes = await heard(socket, texts.length, LONG_MS);
      assert.ok(echoes.every((echo, i) => echo === texts[i]));
    });

    test("bytes come back as bytes", async (t) => {
      const socket = await open(t, server, mode);
      const bytes = [Buffer.alloc(0), Buffer.from([0, 1, 2, 255]), Buffer.alloc(70_000, 7)];
      for (const part of bytes) socket.send(part);
      assert.deepEqual((await heard(socket, bytes.length)).map((part) => Buffer.from(part)), bytes);
    });

    test("a thousand messages come back once and in order", async (t) => {
      const socket = await open(t, server, mode);
      const texts = Array.from({ length: 1000 }, (_, number) => `${number}`);
      for (const text of texts) socket.send(text);
      assert.deepEqual(await heard(socket, texts.length, LONG_MS), texts);
    });

    test("the connection outlives five heartbeats", async (t) => {
      const socket = await open(t, server, mode);
      const beats = record(socket, "heartbeat");
      await until("five heartbeats", () => beats.length >= 5 || socket.closings.length, LONG_MS);
      assert.deepEqual(socket.closings, []);
      assert.equal(socket.readyState, "open");
      socket.send("alive");
      assert.deepEqual(await heard(socket, 1), ["alive"]);
    });

    test("a client that closes is told so and nothing else", async (t) => {
      const socket = await open(t, server, mode);
      const closed = next(socket, "close");
      socket.close();
      const [reason] = [await closed].flat();
      assert.equal(reason, "forced close");
      assert.equal(socket.closings.length, 1);
    });
  });

  test("messages that are sent while it upgrades come back once and in order", async (t) => {
    const socket = new Socket(server.url.replace("http", "ws"), { transports: ["polling", "websocket"] });
    t.after(() => socket.close());
    const messages = record(socket, "message");
    await next(socket, "open");
    const sent = [];
    await until("the upgrade", () => {
      for (let i = 0; i < 5; i += 1) socket.send(`${sent.push(sent.length) - 1}`);
      return socket.transport.name === "websocket";
    });
    for (let i = 0; i < 20; i += 1) socket.send(`${sent.push(sent.length) - 1}`);
    await until("all echoes", () => messages.length >= sent.length, LONG_MS);
    assert.deepEqual(messages, sent.map(String));
  });

  test("ten clients that come and go at once leave each other alone", async (t) => {
    const clients = await Promise.all(
      Array.from({ length: 10 }, (_, i) => open(t, server, { transports: i % 2 ? ["polling"] : ["websocket"] })),
    );
    clients.forEach((socket, i) => (i % 3 ? socket.send(`${i}`) : socket.close()));
    for (const [i, socket] of clients.entries()) {
      if (i % 3) assert.deepEqual(await heard(socket, 1), [`${i}`]);
    }
  });
});

describe("engine.io-client on engineio_client_suite", () => {
  let server;
  before(async () => (server = await startExample("engineio_client_suite")));
  after(() => server.stop());

  inEveryMode("the contract", (mode) => {
    test("hi comes first, then what is asked for", async (t) => {
      const socket = await open(t, server, mode);
      socket.send("give utf8");
      socket.send("give binary");
      const [hi, text, bytes] = await heard(socket, 3);
      assert.deepEqual([hi, text], ["hi", "пойду спать всем спокойной ночи"]);
      assert.deepEqual(Buffer.from(bytes), Buffer.from([0, 1, 2, 3, 4]));
    });

    test("a denied client fails to connect", async (t) => {
      const socket = new Socket(server.url.replace("http", "ws"), { ...mode, query: { deny: 1 } });
      t.after(() => socket.close());
      const error = await next(socket, "error");
      assert.equal(error.type, "TransportError");
    });

    test("the limit of the handshake is kept by the client, and over it the connection ends", async (t) => {
      const socket = await open(t, server, mode);
      for (let i = 0; i < 20; i += 1) socket.send("x".repeat(40));
      await heard(socket, 21);
      const closed = next(socket, "close");
      socket.send("x".repeat(101));
      const [reason] = await closed;
      assert.match(reason, /^transport (error|close)$/);
    });
  });

  test("cookies of the handshake come back with later requests", async (t) => {
    const socket = await open(t, server, { transports: ["polling"] }, { withCredentials: true });
    socket.send("sendHeaders");
    const [, headers] = await heard(socket, 2);
    assert.equal(JSON.parse(headers).cookie, "1=1; 2=2");
  });
});
