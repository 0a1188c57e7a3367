// Conformance section 5: what the official client's own suite expects of its server, each with a bound.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ask, connect, open } from "../support/client.js";
import { inEveryMode } from "../support/modes.js";
import { Endpoint } from "../support/raw.js";
import { startExample } from "../support/server.js";
import { PROMPT_MS, next, record, stepsWithin, until, within } from "../support/wait.js";

/** The delay of every handshake, which the contract asks for, and what an answer may take. */
const HANDSHAKE_MS = 10;
const CONNECTED_MS = 2 * HANDSHAKE_MS + 3 * PROMPT_MS;
stepsWithin(CONNECTED_MS);
const ISO_DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/;
const BYTES = Buffer.from("asdfasdf");

let server;
before(async () => {
  server = await startExample("socketio_client_suite");
});
after(() => server.stop());

const prompt = (what, promise) => within(PROMPT_MS, what, promise);

inEveryMode("the example server socketio_client_suite", (mode) => {
  const joined = (t, namespace = "", options) => within(CONNECTED_MS, "connected", connect(t, server.url + namespace, mode, options));
  const refused = (t, namespace, options) => within(CONNECTED_MS, "refused", next(open(t, server.url + namespace, mode, options), "connect_error"));

  /** Emits, and gives what the server says under `answer`. */
  async function hear(t, answer, name, ...args) {
    const socket = await joined(t);
    const heard = next(socket, answer, { bound: PROMPT_MS });
    socket.emit(name, ...args);
    return heard;
  }

  for (const namespace of ["/", "/foo", "/timeout_socket", "/valid", "/asd", "/abc"]) {
    test(`${namespace} can be joined`, (t) => joined(t, namespace));
  }

  test("every other namespace is invalid", async (t) => {
    assert.equal((await refused(t, "/other")).message, "Invalid namespace");
  });

  test("the middlewares of / and /no refuse", async (t) => {
    assert.equal((await refused(t, "/", { query: { fail: "1" } })).message, "Auth failed (main namespace)");
    const error = await refused(t, "/no");
    assert.deepEqual([error.message, error.data], ["Auth failed (custom namespace)", undefined]);
  });

  test("getId gives the socket's id in its namespace", async (t) => {
    const root = await joined(t);
    const foo = root.io.socket("/foo");
    await next(foo, "connect");
    assert.deepEqual(await prompt("both ids", Promise.all([ask(root, "getId"), ask(foo, "getId")])), [root.id, foo.id]);
  });

  test("the handshake of /abc has query and auth apart, and decoded keys", async (t) => {
    const socket = open(t, `${server.url}/abc`, mode, { query: { a: "b", "&a": "&=?a" }, auth: { token: "abcd" } });
    const [handshake] = [await next(socket, "handshake", { bound: CONNECTED_MS })].flat();
    const { a, "&a": odd, token } = handshake.query;
    assert.deepEqual([a, odd, token, handshake.auth], ["b", "&=?a", undefined, { token: "abcd" }]);
    for (const key of ["headers", "time", "address", "xdomain", "secure", "issued", "url"]) assert.ok(key in handshake, key);
  });

  test("getHandshake gives the same", async (t) => {
    const socket = await joined(t, "", { query: { x: "1" } });
    const handshake = await prompt("the handshake", ask(socket, "getHandshake"));
    assert.deepEqual([handshake.query.x, handshake.auth], ["1", {}]);
  });

  test("hi is answered without arguments, but for the offset", async (t) => {
    const heard = await hear(t, "hi", "hi");
    assert.ok(heard === undefined || typeof heard === "string", JSON.stringify(heard));
  });

  test("echo gives back whatever it gets", async (t) => {
    const socket = await joined(t);
    for (const value of [null, 0, "x", [1], { a: { b: [null] } }, BYTES]) {
      assert.deepEqual(await prompt("echo", ask(socket, "echo", value)), value);
    }
  });

  test("acknowledgements come in the order of their events", async (t) => {
    const socket = await joined(t);
    const order = [];
    await prompt("all", Promise.all(Array.from({ length: 30 }, (_, i) => ask(socket, "echo", i).then((i) => order.push(i)))));
    assert.deepEqual(order, Array.from({ length: 30 }, (_, i) => i));
  });

  test("the server's own question is answered", async (t) => {
    const socket = await joined(t);
    socket.on("ack", (ack) => ack(5, { test: true }));
    const got = next(socket, "got it", { bound: PROMPT_MS });
    socket.emit("ack");
    await got;
  });

  test("dates are ISO texts, in acknowledgements, alone and in objects", async (t) => {
    const socket = await joined(t);
    assert.match(await prompt("the date", ask(socket, "getAckDate", { test: true })), ISO_DATE);
    assert.match([await hear(t, "takeDate", "getDate")].flat()[0], ISO_DATE);
    assert.match([await hear(t, "takeDateObj", "getDateObj")].flat()[0].date, ISO_DATE);
  });

  test("false is false", async (t) => {
    assert.equal([await hear(t, "false", "false")].flat()[0], false);
  });

  test("every script survives", async (t) => {
    const socket = await joined(t);
    const heard = record(socket, "takeUtf8");
    socket.emit("getUtf8");
    await until("five texts", () => heard.length === 5, PROMPT_MS);
    assert.deepEqual(
      heard.map((args) => [args].flat()[0]),
      ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"],
    );
  });

  test("bytes come, alone and in objects, and go", async (t) => {
    assert.deepEqual([await hear(t, "doge", "doge")].flat()[0], BYTES);
    assert.deepEqual([await hear(t, "takebin", "getbin")].flat()[0], BYTES);
    await hear(t, "buffack", "buffa", BYTES);
    await hear(t, "jsonbuff-ack", "jsonbuff", { hello: "lol", message: BYTES, goodbye: "gotcha" });
  });

  test("binary and text keep their order", async (t) => {
    const socket = await joined(t);
    const both = next(socket, "abuff2-ack", { bound: PROMPT_MS });
    socket.emit("abuff1", BYTES);
    socket.emit("abuff2", "text");
    await both;
  });

  test("an unknown event is neither answered nor harmful", async (t) => {
    const socket = await joined(t);
    let answered = false;
    socket.emit("nobody-knows-it", () => (answered = true));
    assert.equal(await prompt("echo", ask(socket, "echo", 1)), 1);
    assert.equal(answered, false);
  });

  test("retries: ids count up from 0, one packet after the other", { timeout: 10_000 }, async (t) => {
    const socket = await joined(t, "", { retries: 2, ackTimeout: 1000 });
    const sent = [];
    socket.io.engine.on("packetCreate", ({ type, data }) => type === "message" && typeof data === "string" && sent.push(data));
    const answers = await prompt("both", Promise.all([socket.emitWithAck("echo", 1), socket.emitWithAck("echo", 2)]));
    assert.deepEqual(answers, [1, 2]);
    assert.deepEqual(sent.filter((data) => data.startsWith("2")), ['20["echo",1]', '21["echo",2]']);
  });
});

describe("socketio_client_suite on the wire", () => {
  test("after CONNECT nothing comes but what was asked for, and the answer is exact", async (t) => {
    const socket = await new Endpoint(server, "/socket.io/").stream();
    t.after(() => socket.end());
    socket.send("40");
    assert.match(await socket.text(), /^40\{"sid":"[^"]{20}"(,"pid":"[^"]{20}")?\}$/);
    socket.send('420["echo",null]');
    assert.equal(await socket.text(), "430[null]");
    await assert.rejects(socket.text(100), "nothing more within 100 ms of connecting");
  });
});
