// Sections 2, 4 and 8 of the contract: what the command line changes, and what scripts and monitors read.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Parlance, Person, call, claims, uniqueEmail } from "../support/parlance.js";
import { Server, binary } from "../support/server.js";
import { MODES } from "../support/modes.js";
import { assertKeys, assertMessage } from "../support/shapes.js";

const WEBSOCKET = MODES[1];

describe("a server as it is without options", () => {
  let app;
  before(async () => {
    app = await Parlance.start();
  });
  after(() => app.stop());

  for (const [path, data] of [
    ["/healthz", { status: "alive" }],
    ["/readyz", { status: "ready", durability: "full" }],
  ]) {
    test(`${path} answers anybody`, async () => {
      const reply = await app.request("GET", path);
      assert.equal(reply.status, 200);
      assert.deepEqual(reply.body, { success: true, data });
    });
  }

  test("/metrics is Prometheus text", async () => {
    const reply = await app.request("GET", "/metrics");
    assert.equal(reply.status, 200);
    assert.match(reply.headers.get("content-type"), /^text\/plain; version=0\.0\.4/);
    const lines = reply.body.trimEnd().split("\n");
    const samples = lines.filter((line) => !line.startsWith("#"));
    assert.ok(samples.length > 10);
    for (const line of samples) assert.match(line, /^[a-z_]+(_bucket)?(\{[^}]*\})? (-?[\d.e+-]+|\+Inf|NaN)$/);
    const described = new Set(lines.filter((line) => line.startsWith("# TYPE ")).map((line) => line.split(" ")[2]));
    for (const line of samples) assert.ok(described.has(/^[a-z_]+?(?=(_bucket|_sum|_count)?[ {])/.exec(line)[0]), line);
  });

  test("the description, its page, the example page and the official client are served", async () => {
    const types = {
      "/api-docs": /^text\/html/,
      "/api-docs/openapi.json": /^application\/json/,
      "/chat-example.html": /^text\/html/,
      "/socket.io/socket.io.js": /javascript/,
      "/socket.io/socket.io.min.js": /javascript/,
      "/socket.io/socket.io.esm.min.js": /javascript/,
      "/socket.io/socket.io.msgpack.min.js": /javascript/,
    };
    for (const [path, type] of Object.entries(types)) {
      const reply = await app.request("GET", path);
      assert.equal(reply.status, 200, path);
      assert.match(reply.headers.get("content-type"), type, path);
      assert.ok(JSON.stringify(reply.body).length > 500, path);
    }
    const { body } = await app.request("GET", "/api-docs/openapi.json");
    for (const path of ["/api/chats", "/api/chats/{id}/messages", "/api/auth/login"]) assert.ok(path in body.paths, path);
  });

  test("a session is a token for a quarter of an hour and a refresh token", async () => {
    const { token } = await app.person("Ann");
    const { iat, exp } = claims(token);
    assert.equal(exp - iat, 15 * 60);
  });
});

describe("durability", () => {
  for (const [how, options, env] of [
    ["an option", ["--durability", "relaxed"], {}],
    ["the environment", [], { PARLANCE_DURABILITY: "relaxed" }],
  ]) {
    test(`is relaxed by ${how}: it says so, and goes on after a kill`, async (t) => {
      const relaxed = await Parlance.start({ options, env });
      t.after(() => relaxed.stop());
      assert.deepEqual((await relaxed.request("GET", "/readyz")).body.data, { status: "ready", durability: "relaxed" });
      assert.match(relaxed.server.log, /durability is relaxed/);
      const [ann, ben] = await relaxed.people("Ann", "Ben");
      const chat = await ann.direct(ben);
      const socket = await ann.connect(t, WEBSOCKET, { reconnection: false });
      const sent = await call(socket, "send-message", { chatId: chat.id, content: "kept" });
      assertMessage(sent, { seq: 1 });
      await relaxed.restart("SIGKILL");
      assert.deepEqual((await ann.ok("GET", `/api/chats/${chat.id}/messages`)).messages, [sent]);
    });
  }

  test("is named in --help as what it is, and another word is refused by its name", async () => {
    const help = await Server.run(binary("parlance"), ["--help"]);
    assert.equal(help.code, 0);
    assert.match(help.log.replace(/\s+/g, " "), /--durability <full\|relaxed>.*a power cut loses the last acknowledged messages/);
    const wrong = await Server.run(binary("parlance"), [], { env: { PARLANCE_DURABILITY: "sometimes" } });
    assert.equal(wrong.code, 2);
    assert.match(wrong.log, /--durability \(PARLANCE_DURABILITY\)/);
  });
});

test("registration that is closed leaves accounts to the command line", async (t) => {
  const closed = await Parlance.start({ options: ["--registration", "closed"] });
  t.after(() => closed.stop());
  const body = { name: "Eve", email: uniqueEmail("eve"), password: "a long password" };
  const nobody = new Person(closed, { name: "", email: "" }).with(null);
  await nobody.refused(403, "forbidden", "POST", "/api/auth/register", body);
  await nobody.refused(401, "invalid-credentials", "POST", "/api/auth/login", body);
  const ann = await closed.createUser("Ann", "tutor");
  assertKeys("user", await ann.ok("GET", "/api/auth/profile"), ["id", "name", "email", "role", "createdAt"]);
});

test("--check-config prints the settings, opens nothing, and names each that is wrong", async () => {
  const good = await Server.run(binary("parlance"), ["--check-config", "--edit-window", "60", "--jwt-secret", "x".repeat(32)]);
  assert.equal(good.code, 0, good.log);
  assert.match(good.log, /edit-window +60/);
  assert.ok(!good.log.includes("listening on") && !good.log.includes("xxxx"), good.log);
  const wrong = await Server.run(binary("parlance"), ["--check-config", "--edit-window", "a day", "--durability", "some"]);
  assert.equal(wrong.code, 2);
  for (const name of ["--edit-window", "--durability"]) assert.match(wrong.log, new RegExp(name));
});
