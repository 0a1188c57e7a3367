// Scenarios of the official client on the example server `features`, for any client and parser.
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { ask, connect, connected, open } from "../support/client.js";
import { inEveryMode } from "../support/modes.js";
import { startExample } from "../support/server.js";
import { PROMPT_MS, next, record, stepsWithin, until, within } from "../support/wait.js";

stepsWithin(1500);

/** Registers the scenarios, once for each mode. `variant` names the client and its parser, see `support/modes.js`. */
export function featureScenarios(variant) {
  const binaryParser = variant.env.PARSER === "msgpack";
  let server;
  before(async () => {
    server = await startExample("features", variant.env);
  });
  after(() => server.stop());

  const people = (t, mode, count, options) => Promise.all(Array.from({ length: count }, () => connect(t, server.url, mode, options)));
  /** A feature that came to the client after 4.0. */
  const sinceLater = { skip: variant.staysActive && "not in this client" };

  inEveryMode(
    `the example server features, ${variant.name}`,
    (mode) => {
      test("a middleware refuses with message and data, and lets in who comes back with the right token", async (t) => {
        const socket = open(t, `${server.url}/auth`, mode);
        const missing = await next(socket, "connect_error");
        assert.deepEqual([missing.message, missing.data], ["no token", undefined]);
        socket.auth = { token: "wrong" };
        const wrong = next(socket, "connect_error");
        socket.connect();
        assert.deepEqual([(await wrong).message, (await wrong).data], ["wrong token", { code: 401 }]);
        socket.auth = (done) => done({ token: "right" });
        socket.connect();
        await connected(socket);
      });

      test("query, headers, auth and address arrive with the handshake", async (t) => {
        const options = { query: { q: "&a=?b ü" }, extraHeaders: { "x-test": "seen" }, auth: { q: "not in the query" } };
        const socket = await connect(t, server.url, mode, options);
        const seen = await ask(socket, "handshake");
        assert.deepEqual(
          [seen.query, seen.header, seen.auth, seen.xdomain, seen.address],
          ["&a=?b ü", "seen", { q: "not in the query" }, false, "127.0.0.1"],
        );
        assert.match(seen.url, /^\/socket\.io\/\?/);
      });

      test("what JavaScript has and JSON has not arrives as JSON would have it", async (t) => {
        const socket = await connect(t, server.url, mode);
        const value = { date: new Date(951_782_400_123), undef: undefined, list: [1.5, null, true, "\u2028é😀"], big: 2 ** 52, neg: -129 };
        const text = await ask(socket, "values", value);
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
        assert.equal(await ask(socket, "values", undefined), "null");
      });

      test("what is sent on is what came", async (t) => {
        const socket = await connect(t, server.url, mode);
        // `notepack.io` writes a whole number beyond 64 bits as another one.
        const large = binaryParser ? 2 ** 60 : 1e300;
        const value = { list: [0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32, -1, -32, -33, -128, -129, -32_769, -(2 ** 40), 0.1, large], text: "x".repeat(300), long: "é".repeat(40_000) };
        assert.deepEqual(await ask(socket, "echo", value), value);
        const buffer = randomBytes(70_000);
        assert.deepEqual(await ask(socket, "echo", { a: [buffer, Buffer.alloc(0)] }, 7), [{ a: [buffer, Buffer.alloc(0)] }, 7]);
        if (binaryParser) {
          const date = new Date(1);
          assert.deepEqual(await ask(socket, "echo", date, undefined, "end"), [date, undefined, "end"]);
        }
      });

      test("bytes cross in base64 for a client that wants text alone", async (t) => {
        const socket = await connect(t, server.url, mode, { forceBase64: true });
        const bytes = randomBytes(300);
        assert.deepEqual(await ask(socket, "echo", { bytes }), { bytes });
      });

      test("arguments that do not fit are answered by the hook", async (t) => {
        const socket = await connect(t, server.url, mode);
        assert.equal(await ask(socket, "byte", 255), 255);
        for (const wrong of [256, "x", null, {}, Buffer.from("x")]) {
          assert.deepEqual(await ask(socket, "byte", wrong), { error: "bad-request", event: "byte" });
        }
      });

      test("a catch-all listener hears what nobody else does, at both ends", async (t) => {
        const socket = await connect(t, server.url, mode);
        const any = [];
        socket.onAny((...args) => any.push(args));
        const seen = next(socket, "seen");
        socket.emit("unknown", 1, "2");
        await seen;
        assert.deepEqual(any, [["seen", 1, "2"]]);
      });

      test("trap 85: a volatile packet behind a sure one is dropped, and delays nothing", async (t) => {
        const socket = await connect(t, server.url, mode);
        const heard = record(socket, "sure");
        const maybe = record(socket, "maybe");
        socket.emit("volatile-after");
        await until("the sure ones have come", () => heard.length === 2);
        await ask(socket, "echo");
        assert.deepEqual([heard, maybe], [[1, 3], []]);
      });

      test("trap 85: of two volatile packets one survives, with its bytes", async (t) => {
        const socket = await connect(t, server.url, mode);
        await until("a poll is open, or the upgrade is over", () => socket.io.engine.transport.writable && !socket.io.engine.upgrading);
        const maybe = record(socket, "maybe");
        const bytes = randomBytes(20);
        // A poll may be on its way when they are emitted, and then neither leaves: asked until one has.
        await until("one has come", async () => {
          socket.emit("volatile-now", bytes);
          await ask(socket, "echo");
          return maybe.length > 0;
        });
        assert.ok(maybe.every(([n]) => n === 1), JSON.stringify(maybe));
        assert.deepEqual(maybe[0], [1, bytes]);
      });

      test("the server's question is answered, or times out at its own time", async (t) => {
        const socket = await connect(t, server.url, mode);
        socket.once("question", (ack) => ack("an answer"));
        const said = next(socket, "you-said");
        socket.emit("ask-me", 2000);
        assert.equal(await said, "an answer");
        const late = next(socket, "you-said");
        const since = performance.now();
        socket.emit("ask-me", 60);
        assert.equal(await late, "the client did not answer in time");
        const took = performance.now() - since;
        assert.ok(took >= 55 && took < 60 + 2 * PROMPT_MS, `${took} ms`);
      });

      test("trap 87: a question to a room gathers the answers there are, and nobody's at once", async (t) => {
        const [asker, quick, silent] = await people(t, mode, 3);
        const room = randomUUID();
        assert.deepEqual(await within(PROMPT_MS, "nobody", ask(asker, "ask-room", room, 2000)), [[], 0]);
        await Promise.all([ask(quick, "join", [room]), ask(silent, "join", [room])]);
        quick.on("question", (ack) => ack("quick"));
        assert.deepEqual(await ask(asker, "ask-room", room, 100), [["quick"], 1]);
        silent.on("question", (ack) => ack("at last"));
        assert.deepEqual(await ask(asker, "ask-room", room, 2000), [["at last", "quick"], 0]);
      });

      test("sockets are found, moved and thrown out by their room", async (t) => {
        const [first, second, third] = await people(t, mode, 3);
        const [from, to] = [randomUUID(), randomUUID()];
        assert.equal(await ask(first, "join", [from, to]), 3);
        await ask(second, "join", [from]);
        assert.deepEqual((await ask(third, "who", from)).sort(), [first.id, second.id].sort());
        await ask(third, "move", from, to);
        assert.deepEqual([await ask(third, "who", from), (await ask(third, "who", to)).length], [[], 2]);
        const gone = [first, second].map((socket) => next(socket, "disconnect"));
        third.emit("throw-out", to, false);
        for (const reason of await Promise.all(gone)) assert.equal([reason].flat()[0], "io server disconnect");
        assert.deepEqual([first.active, await ask(third, "who", to)], [false, []]);
      });

      test("who is in several rooms hears it once, and who is excepted not at all", async (t) => {
        const [both, one, excepted] = await people(t, mode, 3);
        const [a, b, muted] = [randomUUID(), randomUUID(), randomUUID()];
        await Promise.all([ask(both, "join", [a, b]), ask(one, "join", [b]), ask(excepted, "join", [a, muted])]);
        const heard = [both, one, excepted].map((socket) => record(socket, "said"));
        await ask(one, "say", [a, b], muted, { bytes: Buffer.from("x") });
        await Promise.all([both, one, excepted].map((socket) => ask(socket, "echo")));
        assert.deepEqual(heard, [[{ bytes: Buffer.from("x") }], [{ bytes: Buffer.from("x") }], []]);
      });

      test("the reasons of a disconnect are the official ones at both ends", async (t) => {
        const watcher = await connect(t, server.url, mode);
        const end = async (what, leave) => {
          const name = randomUUID();
          const socket = await connect(t, server.url, mode, { auth: { name }, reconnection: false });
          const gone = next(socket, "disconnect");
          leave(socket);
          const [atTheClient] = [await gone].flat();
          const atTheServer = await until(`${what} has reached the server`, () => ask(watcher, "reason-of", name));
          return [atTheClient, atTheServer];
        };
        assert.deepEqual(await end("leaving", (socket) => socket.disconnect()), ["io client disconnect", "client namespace disconnect"]);
        assert.deepEqual(await end("being sent away", (socket) => socket.emit("leave-me")), ["io server disconnect", "server namespace disconnect"]);
        const [client, atTheServer] = await end("a lost connection", (socket) => socket.io.engine.close());
        assert.deepEqual([client, atTheServer], ["forced close", "transport close"]);
      });

      test("retries and ackTimeout: an order whose answer is lost comes again, and is done once", sinceLater, async (t) => {
        const socket = await connect(t, server.url, mode, { retries: 3, ackTimeout: 100 });
        const ordered = record(socket, "ordered");
        const [first, second] = [randomUUID(), randomUUID()];
        const answered = (key, item) => new Promise((resolve, reject) => socket.emit("order", key, item, (error, attempt) => (error ? reject(error) : resolve(attempt))));
        const attempts = await Promise.all([answered(first, "tea"), answered(second, Buffer.from("milk"))]);
        assert.deepEqual(attempts, [2, 2], "the second attempt of each was answered");
        assert.deepEqual(ordered, ["tea", Buffer.from("milk")], "each was done once, in order");
      });

      test("retries: what nobody answers is given up after its attempts", sinceLater, async (t) => {
        const socket = await connect(t, server.url, mode, { retries: 1, ackTimeout: 30 });
        const failed = await new Promise((resolve) => socket.emit("nobody-answers", (error) => resolve(error)));
        assert.equal(failed.message, "operation has timed out");
      });

      test("emitWithAck and timeout give promises", sinceLater, async (t) => {
        const socket = await connect(t, server.url, mode);
        assert.equal(await socket.emitWithAck("echo", "x"), "x");
        assert.equal(await socket.timeout(2000).emitWithAck("echo", "y"), "y");
        await assert.rejects(socket.timeout(30).emitWithAck("nobody-answers"), /operation has timed out/);
      });

      test("the client's own flags change nothing that arrives", async (t) => {
        const socket = await connect(t, server.url, mode);
        const seen = next(socket, "seen");
        socket.compress(false).emit("unknown", "a".repeat(3000));
        assert.equal(await seen, "a".repeat(3000));
        await until("a volatile event arrives once the transport is free", async () => {
          const heard = record(socket, "seen");
          socket.volatile.emit("unknown", 1);
          await ask(socket, "echo");
          return heard.length > 0;
        });
      });
    },
    variant,
  );
}
