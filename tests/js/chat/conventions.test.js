// Section 1 of the contract: one reply shape and one table of codes, over plain HTTP and the official client alike.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ask } from "../support/client.js";
import { MODES } from "../support/modes.js";
import { Parlance, Person, call, claims, drained, sign } from "../support/parlance.js";
import { assertFailure, assertKeys } from "../support/shapes.js";
import { next, record } from "../support/wait.js";

const WEBSOCKET = MODES[1];

let app;
let cast;
let chat;
let message;
before(async () => {
  app = await Parlance.start();
  const [owner, member, stranger] = await app.people("Owner", "Member", "Stranger");
  cast = { owner, member, stranger, nobody: new Person(app, { name: "", email: "" }).with(null) };
  chat = await owner.group("Codes", member);
  message = await owner.ok("POST", `/api/chats/${chat.id}/messages`, { content: "first", clientMsgId: "taken" }, 201);
});
after(() => app.stop());

const ago = (person) => person.with(sign({ ...claims(person.token), iat: 1, exp: 3600 }));
const at = (rest = "") => `/api/chats/${chat.id}${rest}`;

/** Each code: how a request comes to it (who, what), and how an event does, where one can. */
const CODES = [
  { code: "validation-failed", status: 400, field: "content", request: () => [cast.member, "POST", at("/messages"), {}], event: () => [cast.member, "send-message", { chatId: chat.id }] },
  { code: "validation-failed", status: 400, field: "chatId", event: () => [cast.member, "join-chat", {}] },
  { code: "validation-failed", status: 400, field: "seq", request: () => [cast.member, "POST", at("/read"), { seq: 99 }], event: () => [cast.member, "mark-read", { chatId: chat.id, seq: 99 }] },
  { code: "validation-failed", status: 400, field: "limit", request: () => [cast.member, "GET", at("/messages?limit=101")] },
  { code: "validation-failed", status: 400, request: () => [cast.member, "POST", at("/messages"), '{"content":'] },
  { code: "validation-failed", status: 400, event: () => [cast.member, "no-such-event", {}] },
  { code: "unauthenticated", status: 401, request: () => [cast.nobody, "GET", "/api/chats"], event: () => [cast.member, "refresh-token", { token: "none of ours" }] },
  { code: "token-expired", status: 401, request: () => [ago(cast.member), "GET", "/api/chats"], event: () => [cast.member, "refresh-token", { token: ago(cast.member).token }] },
  { code: "token-revoked", status: 401, request: () => [cast.ended, "GET", "/api/chats"], event: () => [cast.member, "refresh-token", { token: cast.ended.token }] },
  { code: "invalid-credentials", status: 401, request: () => [cast.nobody, "POST", "/api/auth/login", { email: cast.member.email, password: "not this one" }] },
  { code: "invalid-credentials", status: 401, request: () => [cast.member, "PUT", "/api/auth/password", { currentPassword: "not this one", newPassword: "a long new one" }] },
  { code: "forbidden", status: 403, request: () => [cast.member, "PATCH", at(), { name: "Mine" }], event: () => [cast.member, "delete-message", { chatId: chat.id, messageId: message.id }] },
  { code: "not-found", status: 404, request: () => [cast.stranger, "GET", at()], event: () => [cast.stranger, "join-chat", chat.id] },
  { code: "not-found", status: 404, request: () => [cast.owner, "DELETE", at("/messages/nothing")], event: () => [cast.owner, "delete-message", { chatId: chat.id, messageId: "nothing" }] },
  { code: "not-found", status: 404, request: () => [cast.member, "GET", "/api/nothing"] },
  { code: "method-not-allowed", status: 405, request: () => [cast.member, "DELETE", "/api/chats"] },
  { code: "unsupported-media-type", status: 415, request: () => [cast.member, "POST", at("/messages"), "{}", { "content-type": "text/plain" }] },
  { code: "conflict", status: 409, request: () => [cast.owner, "POST", at("/participants"), { userId: cast.member.id }] },
  { code: "conflict", status: 409, request: () => [cast.nobody, "POST", "/api/auth/register", { name: "Other", email: cast.member.email, password: "a long password" }] },
  { code: "conflict", status: 409, request: () => [cast.owner, "PATCH", at(`/messages/${message.id}`), { content: "x", ifVersion: 7 }], event: () => [cast.owner, "edit-message", { chatId: chat.id, messageId: message.id, content: "x", ifVersion: 7 }] },
  { code: "idempotency-mismatch", status: 409, request: () => [cast.owner, "POST", at("/messages"), { content: "second", clientMsgId: "taken" }], event: () => [cast.owner, "send-message", { chatId: chat.id, content: "second", clientMsgId: "taken" }] },
  { code: "payload-too-large", status: 413, request: () => [cast.member, "POST", at("/messages"), { content: "x".repeat(1_000_000) }] },
];

describe("a code of the table", () => {
  before(async () => {
    cast.ended = await app.person("Ended");
    await cast.ended.ok("POST", "/api/auth/logout");
  });

  for (const [place, { code, status, field, request, event }] of CODES.entries()) {
    if (request) {
      test(`${code} is ${status} (${place + 1})`, async () => {
        const [person, method, path, body, headers = {}] = request();
        const token = person.token === null ? {} : { authorization: `Bearer ${person.token}` };
        const reply = await app.request(method, path, body, { ...token, ...headers });
        assert.equal(reply.status, status, JSON.stringify(reply.body));
        assert.match(reply.headers.get("content-type"), /^application\/json/);
        assertFailure(reply.body, code, field);
        assert.equal(reply.body.error.retryable, false);
      });
    }
    if (event) {
      test(`${code} is acknowledged, and without a callback the event error (${place + 1})`, async (t) => {
        const [person, name, argument] = event();
        const socket = await person.connect(t, WEBSOCKET);
        const acknowledged = await ask(socket, name, argument);
        assertFailure(acknowledged, code, field);
        const error = next(socket, "error");
        socket.emit(name, argument);
        assert.deepEqual(await error, { ...acknowledged, event: name });
      });
    }
  }

  test("that is refused was not stored", async () => {
    const { lastSeq, name } = await cast.owner.ok("GET", at());
    assert.deepEqual([lastSeq, name], [1, "Codes"]);
  });
});

test("a success is data alone, and an error is never sent beside an acknowledgement", async (t) => {
  const socket = await cast.member.connect(t, WEBSOCKET);
  const errors = record(socket, "error");
  assertKeys("acknowledgement", await ask(socket, "join-chat", chat.id), ["success", "data"]);
  await ask(socket, "join-chat", "nothing");
  socket.emit("leave-chat", chat.id);
  await drained(socket);
  assert.deepEqual(errors, []);
});

test("times are UTC with milliseconds, positions whole numbers below 2^53", async (t) => {
  const socket = await cast.member.connect(t, WEBSOCKET);
  const answer = await call(socket, "join-chat", { chatId: chat.id, rev: 0 });
  for (const payload of answer.events.map((event) => event.payload)) {
    assert.match(payload.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(Math.abs(Date.now() - Date.parse(payload.createdAt)) < 600_000);
  }
  for (const rev of [2 ** 53, -1, 0.5, "1", true]) {
    assertFailure(await ask(socket, "join-chat", { chatId: chat.id, rev }), "validation-failed", "rev");
  }
});

describe("JSON that is nested", () => {
  /** A body with `levels` levels in all; as the argument of an event it has one more. */
  const nested = (levels) => `{"chatId":"${chat.id}","content":"deep","extra":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;

  test("127 levels deep is read like any other", async (t) => {
    const socket = await cast.member.connect(t, WEBSOCKET);
    const { content } = await call(socket, "send-message", JSON.parse(nested(126)));
    assert.equal(content, "deep");
    const reply = await cast.member.request("POST", at("/messages"), nested(127));
    assert.equal(reply.status, 201, JSON.stringify(reply.body));
  });

  test("deeper is refused: a body as no JSON, a packet as one that cannot be parsed, and it ends its own connection alone", async (t) => {
    const [socket, other] = [await cast.member.connect(t, WEBSOCKET), await cast.owner.connect(t, WEBSOCKET)];
    const [lost, undisturbed] = [next(socket, "disconnect"), record(other, "disconnect")];
    socket.emit("send-message", JSON.parse(nested(127)));
    const [reason] = await lost;
    assert.match(reason, /^transport (close|error)$/);
    await next(socket, "connect");
    await call(socket, "join-chat", chat.id);
    for (const levels of [128, 40_000]) {
      const failure = await cast.member.refused(400, "validation-failed", "POST", at("/messages"), nested(levels), "body");
      assert.equal(failure.error.retryable, false);
    }
    await drained(other);
    assert.deepEqual(undisturbed, []);
  });
});
