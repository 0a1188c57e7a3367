// The objects of the contract, key by key: one key too many is a failure like one too few.
import assert from "node:assert/strict";

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
export const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export function assertKeys(what, value, required, optional = []) {
  assert.ok(value && typeof value === "object" && !Array.isArray(value), `${what} is an object: ${JSON.stringify(value)}`);
  const keys = Object.keys(value);
  assert.deepEqual(required.filter((key) => !keys.includes(key)), [], `${what} lacks keys: ${JSON.stringify(value)}`);
  const known = [...required, ...optional];
  assert.deepEqual(keys.filter((key) => !known.includes(key)), [], `${what} has unknown keys: ${JSON.stringify(value)}`);
}

export function assertTime(value) {
  assert.match(value, TIME);
}

function assertCount(value, least) {
  assert.ok(Number.isSafeInteger(value) && value >= least, `${value} is a number from ${least}`);
}

export function assertUser(user) {
  assertKeys("user", user, ["id", "name", "email", "role", "createdAt"]);
  assert.match(user.id, UUID_V7);
  assertTime(user.createdAt);
}

export function assertProfile(profile) {
  assertKeys("public profile", profile, ["id", "name", "role"], ["avatarUrl"]);
}

export function assertSession(session) {
  assertKeys("session", session, ["user", "token", "expiresAt", "refreshToken"]);
  assertUser(session.user);
  assert.equal(session.token.split(".").length, 3);
  assertTime(session.expiresAt);
  assert.ok(Date.parse(session.expiresAt) > Date.now());
  assert.ok(session.refreshToken.length >= 20);
}

export function assertParticipant(participant) {
  assertKeys("participant", participant, ["userId", "name", "role", "joinedAt", "readSeq", "deliveredSeq"]);
  assert.ok(["owner", "moderator", "member"].includes(participant.role));
  assertTime(participant.joinedAt);
  assertCount(participant.readSeq, 0);
  assertCount(participant.deliveredSeq, 0);
}

/** A message as a reply or a broadcast carries it. */
export function assertMessage(message, expected = {}) {
  assertKeys(
    "message",
    message,
    ["id", "chatId", "seq", "rev", "senderId", "sender", "type", "content", "mentions", "reactions", "version", "createdAt", "editedAt", "deletedAt"],
    ["clientMsgId", "replyTo", "system"],
  );
  assert.match(message.id, UUID_V7);
  assertCount(message.seq, 1);
  assertCount(message.rev, 1);
  assertCount(message.version, 1);
  assertTime(message.createdAt);
  if (message.type === "text") {
    assertKeys("sender", message.sender, ["id", "name", "role"]);
    assert.equal(message.sender.id, message.senderId);
  } else {
    assert.equal(message.type, "system");
    assert.deepEqual([message.senderId, message.sender], [null, null]);
    assertKeys("system", message.system, ["kind", "params"]);
  }
  assertPart(message, expected);
}

/** Every key of `expected` is in `actual`, with that value. */
export function assertPart(actual, expected) {
  for (const [key, value] of Object.entries(expected)) assert.deepEqual(actual[key], value, `${key} of ${JSON.stringify(actual)}`);
}

const CHAT = ["id", "name", "isGroup", "createdBy", "createdAt", "updatedAt", "lastSeq", "rev", "participants", "lastMessage"];

/** A chat as one person sees it. */
export function assertChat(chat, expected = {}) {
  const { readSeq, unreadCount, ...shared } = chat;
  assertCount(readSeq, 0);
  assertCount(unreadCount, 0);
  assertSharedChat(shared);
  assertPart(chat, expected);
}

/** A chat in a payload that several people get alike: without what differs from person to person. */
export function assertSharedChat(chat, expected = {}) {
  assertKeys("chat", chat, CHAT);
  assert.match(chat.id, UUID_V7);
  assertTime(chat.createdAt);
  assertTime(chat.updatedAt);
  for (const count of [chat.lastSeq, chat.rev]) assertCount(count, 0);
  chat.participants.forEach(assertParticipant);
  if (chat.lastMessage !== null) assertMessage(chat.lastMessage);
  assertPart(chat, expected);
}

export function assertCatchUp(answer, expected = {}) {
  assertKeys("catch-up", answer, ["chatId", "rev", "lastSeq", "readSeq", "events", "more", "reset"]);
  for (const event of answer.events) assertKeys("logged event", event, ["rev", "event", "payload"]);
  assertPart(answer, expected);
}

export function assertNotification(notification, expected = {}) {
  assertKeys("notification", notification, ["id", "type", "chatId", "createdAt"], ["chat", "user", "by", "message"]);
  assertTime(notification.createdAt);
  assertPart(notification, expected);
}

/** The one failure shape, with `code`, and with `field` when it is given. */
export function assertFailure(body, code, field, context) {
  const { error, ...rest } = body ?? {};
  assert.deepEqual(Object.keys(rest).sort(), ["message", "success"], context);
  assert.equal(rest.success, false, context);
  assert.match(rest.message, /^[^\n]{3,200}$/, context);
  assertKeys("error", error, ["code", "retryable"], ["field", "retryAfterMs"]);
  assert.equal(error.code, code, context);
  assert.equal(typeof error.retryable, "boolean");
  if (field !== undefined) assert.equal(error.field, field, context);
}
