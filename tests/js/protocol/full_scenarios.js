// Scenarios of the official client on the example server `full`, for any client and parser.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { ask, connect, connected, open, settledTransport } from "../support/client.js";
import { inEveryMode } from "../support/modes.js";
import { startExample } from "../support/server.js";
import { PROMPT_MS, next, record, stepsWithin, until } from "../support/wait.js";

/** Half of the ping interval of `full`. */
stepsWithin(1000);
/** What takes longer than a step: 200 kB and more both ways. */
const LONG_MS = 3000;

/** Registers the scenarios, once for each mode. `variant` names the client and its parser, see `support/modes.js`. */
export function fullScenarios(variant) {
  let server;
  before(async () => {
    server = await startExample("full", variant.env);
  });
  after(() => server.stop());

  /** Everything sent to `socket` before this resolves has arrived: what is not there by now was not sent. */
  async function drained(socket) {
    const marker = randomBytes(8).toString("hex");
    assert.equal(await ask(socket, "message-with-ack", marker), marker);
  }

  /** Sockets in one namespace; the first room member list of most scenarios. */
  const people = (t, mode, count, namespace = "/") =>
    Promise.all(Array.from({ length: count }, () => connect(t, server.url + namespace, mode)));

  inEveryMode(`the example server full, ${variant.name}`, (mode) => {
    test("trap 81: the first event is auth, with {} when the client sent none", async (t) => {
      const socket = open(t, server.url, mode);
      assert.deepEqual(await next(socket, "auth"), {});
      assert.match(socket.id, /^[A-Za-z0-9_-]{20}$/);
    });

    test("the auth payload arrives, from an object and from a function", async (t) => {
      const fixed = open(t, server.url, mode, { auth: { token: "123", deep: { list: [1, null, "é"] } } });
      const computed = open(t, server.url, mode, { auth: (done) => done({ token: "abc" }) });
      const [first, second] = await Promise.all([next(fixed, "auth"), next(computed, "auth")]);
      assert.deepEqual(first, { token: "123", deep: { list: [1, null, "é"] } });
      assert.deepEqual(second, { token: "abc" });
    });

    test("the transport is the one the mode ends with", async (t) => {
      const socket = await connect(t, server.url, mode);
      await settledTransport(socket, mode);
      await drained(socket);
    });

    test("the id of a socket is not the sid of its connection", async (t) => {
      const socket = await connect(t, server.url, mode);
      assert.notEqual(socket.id, socket.io.engine.id);
    });

    test("events go both ways with any number and kind of arguments", async (t) => {
      const socket = await connect(t, server.url, mode);
      for (const args of [[], [1], [1, "2", { 3: [true] }], [null, -0.5, [], {}, "\u2028 \ud83d\ude00 \"quoted\" \\"]]) {
        const back = next(socket, "message-back");
        socket.emit("message", ...args);
        const heard = await back;
        assert.deepEqual(args.length > 1 ? heard : args.length ? [heard] : heard, args.length ? args : undefined);
      }
    });

    test("the server acknowledges a client's event", async (t) => {
      const socket = await connect(t, server.url, mode);
      assert.deepEqual(await ask(socket, "message-with-ack", 1, "2", { 3: [false] }), [1, "2", { 3: [false] }]);
      assert.equal(await ask(socket, "message-with-ack"), undefined);
    });

    test("many acknowledgements in flight come back to the right callers", async (t) => {
      const socket = await connect(t, server.url, mode);
      const numbers = Array.from({ length: 100 }, (_, i) => i);
      assert.deepEqual(await Promise.all(numbers.map((i) => ask(socket, "message-with-ack", i))), numbers);
    });

    test("the client acknowledges a server's event", async (t) => {
      const socket = await connect(t, server.url, mode);
      const asked = [];
      socket.on("please-ack", (x, ack) => {
        asked.push(x);
        ack("got", x, { n: 1 });
      });
      const was = next(socket, "ack-was");
      socket.emit("ask-ack", "question");
      assert.deepEqual(await was, ["got", "question", { n: 1 }]);
      assert.deepEqual(asked, ["question"]);
    });

    test("binary goes both ways inside events and acknowledgements", async (t) => {
      const socket = await connect(t, server.url, mode);
      const bytes = Buffer.from([0, 1, 2, 253, 254, 255]);
      const back = next(socket, "message-back");
      socket.emit("message", bytes, { nested: [bytes, "text"] }, Buffer.alloc(0));
      assert.deepEqual(await back, [bytes, { nested: [bytes, "text"] }, Buffer.alloc(0)]);
      assert.deepEqual(await ask(socket, "message-with-ack", { bytes }, "x"), [{ bytes }, "x"]);
    });

    test("binary goes both ways in the client's own acknowledgement", async (t) => {
      const socket = await connect(t, server.url, mode);
      const bytes = randomBytes(300);
      socket.on("please-ack", (x, ack) => ack({ twice: [x, x] }));
      const was = next(socket, "ack-was");
      socket.emit("ask-ack", bytes);
      assert.deepEqual(await was, { twice: [bytes, bytes] });
    });

    test("a room message reaches the room without its sender", async (t) => {
      const [sender, member, stranger] = await people(t, mode, 3);
      const heard = [sender, member, stranger].map((socket) => record(socket, "room-msg"));
      await Promise.all([ask(sender, "join", "r1"), ask(member, "join", "r1")]);
      await ask(sender, "to-room", "r1", { text: "hello" });
      await Promise.all([sender, member, stranger].map(drained));
      assert.deepEqual(heard, [[], [{ text: "hello" }], []]);
    });

    test("a message to a room does not need its sender in it", async (t) => {
      const [sender, member] = await people(t, mode, 2);
      await ask(member, "join", "r2");
      const heard = next(member, "room-msg");
      await ask(sender, "to-room", "r2", "from outside");
      assert.equal(await heard, "from outside");
    });

    test("a namespace message to a room includes the sender", async (t) => {
      const [sender, member, stranger] = await people(t, mode, 3);
      const heard = [sender, member, stranger].map((socket) => record(socket, "room-msg"));
      await Promise.all([ask(sender, "join", "r3"), ask(member, "join", "r3")]);
      sender.emit("in-room", "r3", "all of you");
      await until("both heard it", () => heard[0].length && heard[1].length);
      await drained(stranger);
      assert.deepEqual(heard, [["all of you"], ["all of you"], []]);
    });

    test("who has left a room hears it no more, and joining twice is joining once", async (t) => {
      const [sender, member] = await people(t, mode, 2);
      const heard = record(member, "room-msg");
      await ask(member, "join", "r4");
      await ask(member, "join", "r4");
      await ask(sender, "to-room", "r4", 1);
      await drained(member);
      await ask(member, "leave", "r4");
      await ask(sender, "to-room", "r4", 2);
      await drained(member);
      assert.deepEqual(heard, [1]);
    });

    test("the room of one's own id reaches one socket alone", async (t) => {
      const [sender, member, stranger] = await people(t, mode, 3);
      const heard = [member, stranger].map((socket) => record(socket, "room-msg"));
      await ask(sender, "to-room", member.id, "private");
      await Promise.all([member, stranger].map(drained));
      assert.deepEqual(heard, [["private"], []]);
    });

    test("a broadcast reaches everybody but its sender, binary too", async (t) => {
      const [sender, first, second] = await people(t, mode, 3);
      const heard = [sender, first, second].map((socket) => record(socket, "bcast"));
      const bytes = randomBytes(64);
      sender.emit("broadcast", "plain");
      sender.emit("broadcast", { bytes });
      await Promise.all([sender, first, second].map(drained));
      await until("all have arrived", () => heard[1].length === 2 && heard[2].length === 2);
      assert.deepEqual(heard, [[], ["plain", { bytes }], ["plain", { bytes }]]);
    });

    test("a broadcast stays inside its namespace", async (t) => {
      const [[sender, same], [other]] = await Promise.all([people(t, mode, 2, "/custom"), people(t, mode, 1)]);
      const heard = [same, other].map((socket) => record(socket, "bcast"));
      sender.emit("broadcast", "custom only");
      await drained(sender);
      await Promise.all([same, other].map(drained));
      await until("it has arrived", () => heard[0].length === 1);
      assert.deepEqual(heard, [["custom only"], []]);
    });

    test("trap 60: kick-me disconnects the namespace, and the client stays away", async (t) => {
      const socket = await connect(t, server.url, mode);
      socket.emit("kick-me");
      const reason = await next(socket, "disconnect", { bound: PROMPT_MS });
      assert.equal([reason].flat()[0], "io server disconnect");
      assert.equal(socket.active, false);
    });

    test("trap 60: drop-me closes the connection, and the client comes back by itself", async (t) => {
      const socket = await connect(t, server.url, mode);
      const before = { id: socket.id, sid: socket.io.engine.id };
      socket.emit("drop-me");
      const [reason] = [await next(socket, "disconnect", { bound: PROMPT_MS })].flat();
      assert.match(reason, /^transport (close|error)$/);
      await connected(socket);
      assert.notEqual(socket.id, before.id);
      assert.notEqual(socket.io.engine.id, before.sid);
      await drained(socket);
    });

    test("a lost connection is mended, and what was emitted meanwhile is sent", async (t) => {
      const socket = await connect(t, server.url, mode);
      const lost = next(socket, "disconnect");
      socket.io.engine.close();
      await lost;
      assert.equal(await ask(socket, "message-with-ack", "kept"), "kept");
    });

    test("a socket that has gone is in its rooms no more", async (t) => {
      const [sender, member] = await people(t, mode, 2);
      await ask(member, "join", "r5");
      const lost = next(member, "disconnect");
      member.io.engine.close();
      await lost;
      await connected(member);
      const heard = record(member, "room-msg");
      await ask(sender, "to-room", "r5", "nobody");
      await drained(member);
      assert.deepEqual(heard, []);
    });

    test("/deny refuses with its message and data, and does not disturb the other namespaces", async (t) => {
      const socket = await connect(t, server.url, mode, { multiplex: true });
      const denied = socket.io.socket("/deny");
      const error = await next(denied, "connect_error");
      assert.equal(error.message, "not allowed");
      assert.deepEqual(error.data, { code: 42 });
      assert.equal(denied.active, variant.staysActive ?? false);
      await drained(socket);
    });

    test("an unknown namespace is refused", async (t) => {
      const socket = open(t, `${server.url}/random`, mode);
      const error = await next(socket, "connect_error");
      assert.equal(error.message, "Invalid namespace");
    });

    test("two namespaces share one connection and part one by one", async (t) => {
      const root = await connect(t, server.url, mode);
      const custom = root.io.socket("/custom", { auth: { via: "custom" } });
      assert.deepEqual(await next(custom, "auth"), { via: "custom" });
      assert.equal(custom.io.engine, root.io.engine);
      assert.notEqual(custom.id, root.id);
      const bytes = randomBytes(10);
      assert.deepEqual(await Promise.all([ask(custom, "message-with-ack", bytes), ask(root, "message-with-ack", "r")]), [bytes, "r"]);
      custom.disconnect();
      await drained(root);
      custom.connect();
      await next(custom, "connect");
      await drained(custom);
    });

    test("payloads of 200 kB go both ways, text and binary", async (t) => {
      const socket = await connect(t, server.url, mode);
      const text = "ü€😀x".repeat(20_000);
      const bytes = randomBytes(200_000);
      assert.equal(await ask(socket, "message-with-ack", text), text);
      assert.deepEqual(await ask(socket, "message-with-ack", bytes), bytes);
      const back = next(socket, "message-back");
      socket.emit("message", { text, bytes });
      assert.deepEqual(await back, { text, bytes });
    });

    test("200 messages in a row come back in order, binary and text mixed", async (t) => {
      const socket = await connect(t, server.url, mode);
      const heard = record(socket, "message-back");
      const sent = Array.from({ length: 200 }, (_, i) => [i, i % 7 ? `text ${i}` : Buffer.from(`bytes ${i}`)]);
      for (const args of sent) socket.emit("message", ...args);
      await until("all have come back", () => heard.length >= sent.length, LONG_MS);
      assert.deepEqual(heard, sent);
    });

    test("numbered traffic both ways loses, doubles and reorders nothing while the transport settles", async (t) => {
      const socket = await connect(t, server.url, mode);
      const heard = record(socket, "message-back");
      let sent = 0;
      const wanted = mode.transports.at(-1);
      let after = 0;
      await until("the transport has settled under traffic", () => {
        if (socket.io.engine.transport.name === wanted) after += 1;
        for (let i = 0; i < 3; i += 1) socket.emit("message", sent++);
        return after > 20;
      }, LONG_MS);
      await until("all have come back", () => heard.length >= sent, LONG_MS);
      assert.deepEqual(heard, Array.from({ length: sent }, (_, i) => i));
    });

    test("a burst to a room reaches every member in one order", async (t) => {
      const members = await people(t, mode, 4);
      await Promise.all(members.map((socket) => ask(socket, "join", "r6")));
      const heard = members.map((socket) => record(socket, "room-msg"));
      for (let i = 0; i < 50; i += 1) members.forEach((socket, who) => socket.emit("in-room", "r6", `${who}:${i}`));
      await until("all have arrived", () => heard.every((list) => list.length >= 200), LONG_MS);
      for (const list of heard) assert.deepEqual(list, heard[0]);
      for (let who = 0; who < 4; who += 1) {
        const own = heard[0].filter((text) => text.startsWith(`${who}:`));
        assert.deepEqual(own, Array.from({ length: 50 }, (_, i) => `${who}:${i}`));
      }
    });

    test("the connection outlives several heartbeats", { skip: variant.restless && "seen with the newest client" }, async (t) => {
      const socket = await connect(t, server.url, mode);
      const gone = record(socket, "disconnect");
      const { engine } = socket.io;
      let pings = 0;
      engine.on("packet", ({ type }) => (pings += type === "ping"));
      await until("two pings have come", () => pings >= 2, 6000);
      await drained(socket);
      assert.deepEqual(gone, []);
    });
  }, variant);
}
