// Whatever is sent, the answer is the contract's failure shape: generated from tables of route × actor and event × input.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { ask as askEvent } from "../support/client.js";
import { MODES } from "../support/modes.js";
import { Parlance, badTokens, call, refused } from "../support/parlance.js";
import { assertFailure } from "../support/shapes.js";
import { next, record, within } from "../support/wait.js";

const WEBSOCKET = MODES[1];

let app;
const cast = {};
let chat;
let message;
before(async () => {
  app = await Parlance.start();
  [cast.owner, cast.moderator, cast.member, cast.stranger, cast["former member"]] = await app.people("Owner", "Moderator", "Member", "Stranger", "Former");
  cast.admin = await app.createUser("Admin", "admin");
  cast.tutor = await app.createUser("Tutor", "tutor");
  chat = await cast.owner.group("Table", cast.moderator, cast.member, cast["former member"]);
  await cast.owner.ok("PATCH", `/api/chats/${chat.id}/participants/${cast.moderator.id}`, { role: "moderator" });
  await cast["former member"].ok("POST", `/api/chats/${chat.id}/leave`);
  message = await cast.owner.ok("POST", `/api/chats/${chat.id}/messages`, { content: "written by the owner" }, 201);
});
after(() => app.stop());

/**
 * Every route that needs a person: how to ask, and the status that each actor may expect. An actor without a status is not
 * asked; whoever is outside the chat expects 404. Names in braces are filled in.
 */
const ROUTES = [
  { route: "GET /api/auth/profile", all: 200 },
  { route: "GET /api/users?search=member", all: 200 },
  { route: "GET /api/users/{member}", all: 200 },
  { route: "GET /api/chats", all: 200 },
  { route: "GET /api/chats/{chat}", inside: 200, admin: 200 },
  { route: "GET /api/chats/{chat}/messages", inside: 200, admin: 200 },
  { route: "POST /api/chats/{chat}/messages", body: () => ({ content: "hello" }), inside: 201, admin: 403 },
  { route: "POST /api/chats/{chat}/participants", body: () => ({ userId: "nobody" }), inside: 400, admin: 400 },
  { route: "DELETE /api/chats/{chat}/participants/{owner}", owner: undefined, moderator: 403, member: 403 },
  { route: "POST /api/chats/{chat}/leave", admin: 403 },
  { route: "POST /api/chats", body: () => ({}), all: 400 },
  { route: "GET /api/chats/{chat}/events?since=0", inside: 200, admin: 403 },
  { route: "POST /api/chats/{chat}/read", body: () => ({ seq: 1 }), inside: 200, admin: 403 },
  { route: "PATCH /api/chats/{chat}", body: () => ({ name: "Table" }), owner: 200, moderator: 200, member: 403, admin: 200 },
  { route: "PATCH /api/chats/{chat}/participants/{member}", body: () => ({ role: "member" }), owner: 200, moderator: 403, member: 403, admin: 200 },
  { route: "PUT /api/chats/{chat}/messages/{message}/reactions/%F0%9F%91%8D", inside: 200, admin: 403 },
  { route: "DELETE /api/chats/{chat}/messages/{message}/reactions/%F0%9F%91%8D", inside: 200, admin: 403 },
  { route: "PATCH /api/chats/{chat}/messages/{message}", body: () => ({ content: "edited" }), owner: 200, moderator: 403, member: 403, admin: 403 },
  { route: "DELETE /api/chats/{chat}/messages/{message}", owner: 200, moderator: 200, member: 403, admin: 200 },
  { route: "GET /api/notifications", all: 200 },
  { route: "POST /api/notifications/read", body: () => ({}), all: 400 },
  { route: "PUT /api/auth/password", body: () => ({}), all: 400 },
];
const INSIDE = ["owner", "moderator", "member"];
const OUTSIDE = ["stranger", "former member", "tutor"];
const CODES = { 400: "validation-failed", 401: "unauthenticated", 403: "forbidden", 404: "not-found" };

const fill = (route) =>
  route.replace("{chat}", chat.id).replace("{message}", message.id).replace("{member}", cast.member.id).replace("{owner}", cast.owner.id);

async function ask(person, { route, body }) {
  const [method, path] = fill(route).split(" ");
  return person.request(method, path, body?.());
}

function expected(rule, actor) {
  if (actor in rule) return rule[actor];
  if ("all" in rule) return rule.all;
  if (INSIDE.includes(actor)) return rule.inside;
  if (OUTSIDE.includes(actor)) return 404;
  return undefined;
}

describe("route × actor", () => {
  for (const rule of ROUTES) {
    for (const actor of [...INSIDE, ...OUTSIDE, "admin"]) {
      const status = expected(rule, actor);
      if (status === undefined) continue;
      test(`${rule.route} by ${actor} is ${status}`, async () => {
        const reply = await ask(cast[actor], rule);
        assert.equal(reply.status, status, JSON.stringify(reply.body));
        if (status >= 400) assertFailure(reply.body, CODES[status]);
        else assert.equal(reply.body.success, true);
      });
    }

    test(`${rule.route} with a bad token is 401`, async () => {
      for (const [what, { token, code }] of Object.entries(badTokens(cast.member.token))) {
        const reply = await ask(cast.member.with(token), rule);
        assert.equal(reply.status, 401, `${what}: ${JSON.stringify(reply.body)}`);
        assertFailure(reply.body, code, undefined, what);
      }
    });
  }

  test("the token is taken from the Authorization header alone", async () => {
    const token = cast.member.token;
    for (const [route, headers] of [
      [`/api/auth/profile?token=${token}`, {}],
      ["/api/auth/profile", { cookie: `token=${token}` }],
      ["/api/auth/profile", { authorization: token }],
      ["/api/auth/profile", { authorization: `Basic ${token}` }],
      ["/api/auth/profile", { "x-access-token": token }],
    ]) {
      const reply = await app.request("GET", route, undefined, headers);
      assert.equal(reply.status, 401, JSON.stringify(headers));
      assertFailure(reply.body, "unauthenticated");
    }
  });
});

const WRITING = ["POST /api/auth/register", "POST /api/auth/login", "POST /api/auth/refresh", "PUT /api/auth/password", "POST /api/chats", "POST /api/chats/{chat}/messages", "POST /api/chats/{chat}/participants"];

describe("route × body", () => {
  const send = (route, body, headers = {}) => {
    const [method, path] = fill(route).split(" ");
    return app.request(method, path, body, { authorization: `Bearer ${cast.member.token}`, ...headers });
  };

  for (const route of WRITING) {
    for (const [what, body] of [
      ["nothing", ""],
      ["half an object", '{"content":'],
      ["no JSON", "content=hello"],
      ["a list", "[]"],
      ["null", "null"],
      ["a number", "42"],
      ["a text", '"hello"'],
      ["an empty object", "{}"],
      ["numbers for everything", JSON.stringify({ name: 1, email: 2, password: 3, content: 4, refreshToken: 5, participantIds: 6, userId: {}, currentPassword: 7, newPassword: 8 })],
      ["a deep nest", `${"[".repeat(5000)}${"]".repeat(5000)}`],
    ]) {
      test(`${route} with ${what} is 400`, async () => {
        const reply = await send(route, body);
        assert.equal(reply.status, 400, JSON.stringify(reply.body));
        assertFailure(reply.body, "validation-failed");
      });
    }

    test(`${route} with bytes that are no UTF-8 is 400`, async () => {
      const [method, path] = fill(route).split(" ");
      const response = await fetch(app.url + path, {
        method,
        headers: { authorization: `Bearer ${cast.member.token}`, "content-type": "application/json" },
        body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
      });
      assert.equal(response.status, 400);
      assertFailure(await response.json(), "validation-failed");
    });

    test(`${route} with another content type is 415`, async () => {
      const reply = await send(route, "{}", { "content-type": "text/plain" });
      assert.equal(reply.status, 415, JSON.stringify(reply.body));
      assertFailure(reply.body, "unsupported-media-type");
    });

    test(`${route} with 10 MB is 413`, async () => {
      const reply = await send(route, JSON.stringify({ content: "x".repeat(10_000_000) })).catch((error) => ({ error }));
      // The server may close before the client has finished writing.
      if (reply.error) return;
      assert.equal(reply.status, 413);
      assertFailure(reply.body, "payload-too-large");
    });
  }

  test("an unknown route under /api is not-found, another method is method-not-allowed", async () => {
    for (const [method, path, status, code] of [
      ["GET", "/api/nothing", 404, "not-found"],
      ["GET", "/api", 404, "not-found"],
      ["POST", "/api/nothing", 404, "not-found"],
      ["DELETE", "/api/chats", 405, "method-not-allowed"],
      ["PUT", `/api/chats/${chat.id}/leave`, 405, "method-not-allowed"],
      ["GET", "/api/auth/login", 405, "method-not-allowed"],
    ]) {
      const reply = await cast.member.request(method, path);
      assert.equal(reply.status, status, `${method} ${path} ${JSON.stringify(reply.body)}`);
      assertFailure(reply.body, code);
      if (status === 405) assert.ok(reply.headers.get("allow"));
    }
  });

  for (const id of ["nothing", "0", "..%2F..%2Fetc%2Fpasswd", "%00", "%27%20OR%201%3D1--", "x".repeat(500), "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000"]) {
    test(`a chat that is called ${id.slice(0, 30)} is not found`, async () => {
      for (const [method, rest, body] of [["GET", ""], ["GET", "/messages"], ["POST", "/messages", { content: "x" }], ["POST", "/leave"]]) {
        await cast.member.refused(404, "not-found", method, `/api/chats/${id}${rest}`, body);
      }
    });
  }

  test("a path whose escapes are no UTF-8 gets an answer of the contract", async () => {
    const reply = await cast.member.request("GET", "/api/chats/%ff%fe");
    assert.ok([400, 404].includes(reply.status), `${reply.status}`);
    assertFailure(reply.body, CODES[reply.status]);
  });
});

/**
 * Every event about a chat, and what an actor gets for it: success inside and `forbidden` for an admin, unless it says otherwise.
 * Each is asked about a new message of the owner's.
 */
const EVENTS = {
  "join-chat": {},
  "leave-chat": {},
  "send-message": {},
  typing: {},
  "mark-read": {},
  "mark-delivered": {},
  "edit-message": { moderator: "forbidden", member: "forbidden" },
  "delete-message": { member: "forbidden", admin: "ok" },
  "add-reaction": {},
  "remove-reaction": {},
  sync: {},
  "subscribe-presence": { all: "ok" },
  "unsubscribe-presence": { all: "ok" },
  "refresh-token": { all: "ok" },
};

describe("event × actor", () => {
  const argument = ({ id, seq }, { token }) => ({
    chatId: chat.id, messageId: id, content: "x", emoji: "x", isTyping: false, seq, items: [{ chatId: chat.id, seq }], positions: { [chat.id]: 0 }, userIds: [], token,
  });

  for (const actor of [...INSIDE, ...OUTSIDE, "admin"]) {
    test(`${actor} gets what the table says for every event`, async (t) => {
      const socket = await cast[actor].connect(t, WEBSOCKET);
      for (const [event, rights] of Object.entries(EVENTS)) {
        const usual = INSIDE.includes(actor) ? "ok" : actor === "admin" ? "forbidden" : "not-found";
        const about = await cast.owner.ok("POST", `/api/chats/${chat.id}/messages`, { content: "about" }, 201);
        const answer = await askEvent(socket, event, argument(about, cast[actor]));
        // Each chat of a `sync` is answered for itself.
        const code = (event === "sync" ? answer.data.chats[chat.id] : answer).error?.code ?? "ok";
        assert.equal(code, rights[actor] ?? rights.all ?? usual, `${event}: ${JSON.stringify(answer)}`);
        if (code !== "ok" && event !== "sync") assertFailure(answer, code);
      }
    });
  }
});

/** They take no token, or end the one that they are asked with. */
const ENTRANCES = ["POST /api/auth/login", "POST /api/auth/logout", "POST /api/auth/refresh", "POST /api/auth/register"];

test("the tables have every route and every event that is described", async () => {
  const { body: asyncapi } = await app.request("GET", "/api-docs/asyncapi.json");
  const events = Object.entries(asyncapi.operations).filter(([, { action }]) => action === "receive");
  assert.deepEqual(events.map(([name]) => name).sort(), Object.keys(EVENTS).sort());
  const { body: openapi } = await app.request("GET", "/api-docs/openapi.json");
  const described = Object.entries(openapi.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
  const bare = (route) => route.replace(/\?.*/, "").replace("%F0%9F%91%8D", "{emoji}").replace(/\{\w+\}/g, "{}");
  const asked = [...ENTRANCES, ...ROUTES.map(({ route }) => route)].map(bare);
  const all = described.map(bare).filter((route) => route.includes(" /api/"));
  assert.deepEqual([...new Set(asked)].sort(), [...new Set(all)].sort());
});

describe("event × input", () => {
  /** For each core event: inputs that are wrong, with the field that the answer names where it is one. */
  const inputs = () => ({
    "join-chat": [undefined, null, "", [], {}, { chatId: null }, { chatId: {} }, { chatId: chat.id, rev: "x" }, { chatId: chat.id, rev: -1 }, true, "x".repeat(10_000)],
    "leave-chat": [undefined, null, [], {}, { chatId: null }, true],
    "send-message": [
      undefined, null, "text", [], {}, 7,
      { chatId: chat.id },
      { chatId: chat.id, content: null },
      { chatId: chat.id, content: 5 },
      { chatId: chat.id, content: {} },
      { chatId: chat.id, content: "" },
      { chatId: chat.id, content: "  " },
      { chatId: chat.id, content: "x".repeat(4001) },
      { chatId: chat.id, content: "bell\u0007" },
      { content: "no chat" },
      { chatId: [], content: "x" },
      { chatId: chat.id, content: "x", clientMsgId: "" },
      { chatId: chat.id, content: "x", clientMsgId: "a b" },
      { chatId: chat.id, content: "x", clientMsgId: 5 },
      { chatId: chat.id, content: Buffer.from("bytes") },
      Buffer.from("bytes"),
    ],
    typing: [undefined, null, "x", {}, { chatId: chat.id }, { chatId: chat.id, isTyping: "yes" }, { isTyping: true }, { chatId: {}, isTyping: true }],
    "no-such-event": [undefined, {}, "x"],
  });

  test("every wrong input is refused, and the socket lives on", async (t) => {
    const socket = await cast.member.connect(t, WEBSOCKET);
    const gone = record(socket, "disconnect");
    for (const [event, list] of Object.entries(inputs())) {
      for (const input of list) {
        const answer = await new Promise((resolve, reject) => {
          const args = input === undefined ? [] : [input];
          socket.timeout(3000).emit(event, ...args, (error, reply) => (error ? reject(new Error(`${event} ${JSON.stringify(input)}: no answer`)) : resolve(reply)));
        });
        const context = `${event} ${JSON.stringify(input)?.slice(0, 100)}: ${JSON.stringify(answer)}`;
        // An id that no chat can have is one that is not found.
        const code = answer.error?.code === "not-found" && event !== "no-such-event" ? "not-found" : "validation-failed";
        assertFailure(answer, code, undefined, context);
      }
    }
    assert.deepEqual(gone, []);
    await call(socket, "join-chat", chat.id);
  });

  test("every event of a stranger is not-found", async (t) => {
    for (const actor of ["stranger", "former member", "tutor"]) {
      const socket = await cast[actor].connect(t, WEBSOCKET);
      await refused(socket, "not-found", "join-chat", chat.id);
      await refused(socket, "not-found", "send-message", { chatId: chat.id, content: "x" });
      const failure = await refused(socket, "not-found", "typing", { chatId: chat.id, isTyping: true });
      assert.equal(failure.message, "Chat not found, or you are not a participant in it");
    }
  });

  test("an admin who is not a participant is forbidden what the contract does not give", async (t) => {
    const socket = await cast.admin.connect(t, WEBSOCKET);
    await refused(socket, "forbidden", "send-message", { chatId: chat.id, content: "x" });
    await refused(socket, "forbidden", "typing", { chatId: chat.id, isTyping: true });
  });

  test("a payload over the server's limit closes the connection, and the server lives on", async (t) => {
    const socket = await cast.member.connect(t, WEBSOCKET, { reconnection: false });
    const gone = next(socket, "disconnect");
    socket.emit("send-message", { chatId: chat.id, content: "x".repeat(200_000) });
    await gone;
    await cast.member.ok("GET", "/api/auth/profile");
  });
});

describe("bytes that are no request", () => {
  /** Sends `text` to the server and resolves with all it answers, when it closes. */
  const raw = (text) =>
    within(
      15_000,
      "the server closes",
      new Promise((resolve, reject) => {
        const socket = net.connect(app.server.port, "127.0.0.1", () => socket.write(text));
        let answer = "";
        socket.setEncoding("latin1");
        socket.on("data", (data) => (answer += data));
        socket.on("error", (error) => (error.code === "ECONNRESET" ? resolve(answer) : reject(error)));
        socket.on("close", () => resolve(answer));
      }),
    );

  for (const [what, text] of [
    ["no HTTP at all", "hello server\r\n\r\n"],
    ["a header that never ends", `GET / HTTP/1.1\r\nHost: x\r\nA: ${"x".repeat(300_000)}`],
    ["a target that never ends", `GET /${"x".repeat(300_000)}`],
    ["a length that is no number", "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n"],
  ]) {
    test(`${what}: the connection ends, the server lives on`, async () => {
      const answer = await raw(text);
      assert.match(answer, /^(HTTP\/1\.1 4\d\d |$)/);
      await cast.member.ok("GET", "/api/auth/profile");
    });
  }

  test("a length beside chunks is not a way to smuggle a second request", async () => {
    const smuggled = "GET /api/auth/profile HTTP/1.1\r\nHost: x\r\n\r\n";
    const answer = await raw(
      `POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    );
    assert.equal(answer.split("HTTP/1.1 ").length - 1, 1, answer);
  });
});
