// Sections 5 and 6 of the contract through the official client: rooms, messages, typing, notifications.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connected } from "../support/client.js";
import { MODES, inEveryMode } from "../support/modes.js";
import { Parlance, Person, call, drained, heardAll, inRoom, refused, reply } from "../support/parlance.js";
import { assertCatchUp, assertFailure, assertMessage, assertNotification, assertPart, assertSharedChat } from "../support/shapes.js";
import { test as timed } from "../support/undisturbed.js";
import { next, record, until } from "../support/wait.js";

const WEBSOCKET = MODES[1];

let app;
before(async () => {
  app = await Parlance.start();
});
after(() => app.stop());

/** A sign of typing is volatile: one that comes while `hearing` cannot take it is lost, as a typing person's next one will show. */
async function typeUntilHeard(typing, hearing, chat) {
  const heard = record(hearing, "user-typing");
  return until("a sign of typing is heard", async () => {
    assert.deepEqual(await call(typing, "typing", { chatId: chat.id, isTyping: true }), {});
    await drained(hearing);
    return heard.find(({ isTyping }) => isTyping);
  });
}

inEveryMode("the chat", (mode) => {
  test("join-chat takes a bare id or an object, and answers with the position", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben, { initialMessage: "hi" });
    const socket = await ben.connect(t, mode);
    const expected = { chatId: chat.id, rev: chat.rev, lastSeq: 1, readSeq: 0, events: [], more: false, reset: false };
    assertCatchUp(await call(socket, "join-chat", chat.id), expected);
    assertCatchUp(await call(socket, "join-chat", { chatId: chat.id }), expected);
    socket.emit("join-chat", chat.id);
    assert.deepEqual(await call(socket, "leave-chat", chat.id), {});
    assert.deepEqual(await call(socket, "leave-chat", { chatId: chat.id }), {});
  });

  test("join-chat with a rev brings what was missed, or says reset", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const [socket] = await inRoom(t, mode, chat, ann);
    const sent = [];
    for (const content of ["one", "two", "three"]) sent.push(await call(socket, "send-message", { chatId: chat.id, content }));
    const since = await call(socket, "join-chat", { chatId: chat.id, rev: sent[0].rev });
    assertCatchUp(since, { rev: sent[2].rev, more: false, reset: false });
    assert.deepEqual(since.events.map(({ rev, event }) => [rev, event]), [[sent[1].rev, "new-message"], [sent[2].rev, "new-message"]]);
    since.events.forEach(({ payload }, i) => assertMessage(payload, { id: sent[i + 1].id, content: sent[i + 1].content }));
    assertCatchUp(await call(socket, "join-chat", { chatId: chat.id, rev: 9999 }), { reset: true, events: [] });
  });

  test("a message reaches everybody in the room, the sender too, and is acknowledged with itself", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const [a, b] = await inRoom(t, mode, chat, ann, ben);
    const heard = [a, b].map((socket) => next(socket, "new-message"));
    const message = await call(a, "send-message", { chatId: chat.id, content: "Hello Ben" });
    assertMessage(message, { chatId: chat.id, senderId: ann.id, content: "Hello Ben", type: "text", seq: 1 });
    assert.deepEqual(message.sender, { id: ann.id, name: "Ann", role: "student" });
    for (const broadcast of await Promise.all(heard)) {
      assertMessage(broadcast, { id: message.id, seq: message.seq, rev: message.rev, content: "Hello Ben", sender: message.sender });
    }
  });

  test("a message may be sent without an acknowledgement, and over REST", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const [a, b] = await inRoom(t, mode, chat, ann, ben);
    const heard = record(b, "new-message");
    a.emit("send-message", { chatId: chat.id, content: "no answer wanted" });
    await until("it is heard", () => heard.length === 1);
    await ann.ok("POST", `/api/chats/${chat.id}/messages`, { content: "over REST" }, 201);
    await until("both are heard", () => heard.length === 2);
    heard.forEach((message) => assertMessage(message));
    assert.deepEqual(heard.map(({ content, seq }) => [content, seq]), [["no answer wanted", 1], ["over REST", 2]]);
  });

  test("sending does not need the room, and only the room hears it", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const [b] = await inRoom(t, mode, chat, ben);
    const a = await ann.connect(t, mode);
    const outside = record(a, "new-message");
    const heard = next(b, "new-message");
    await call(a, "send-message", { chatId: chat.id, content: "from outside" });
    assertMessage(await heard, { content: "from outside" });
    await drained(a);
    assert.deepEqual(outside, []);
  });

  test("who has left the room hears it no more", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const [a, b] = await inRoom(t, mode, chat, ann, ben);
    const heard = record(b, "new-message");
    await call(b, "leave-chat", chat.id);
    await call(a, "send-message", { chatId: chat.id, content: "gone?" });
    await drained(b);
    assert.deepEqual(heard, []);
  });

  test("a clientMsgId makes one message, and every repeat gets it back", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const [a, b] = await inRoom(t, mode, chat, ann, ben);
    const heard = record(b, "new-message");
    const body = { chatId: chat.id, content: "once", clientMsgId: "c-1" };
    const first = await call(a, "send-message", body);
    assertMessage(first, { clientMsgId: "c-1" });
    const repeat = await reply(a, "send-message", body);
    assert.deepEqual(repeat, { success: true, data: first, duplicate: true });
    await refused(a, "idempotency-mismatch", "send-message", { ...body, content: "twice" });
    await heardAll(b, heard, 1);
    assert.equal(heard.length, 1);
  });

  test("the stock client's own repeats make one message", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const socket = await ann.connect(t, mode, { retries: 3, ackTimeout: 2000 });
    const answers = await Promise.all([1, 2, 3].map((n) => socket.emitWithAck("send-message", { chatId: chat.id, content: `m${n}`, clientMsgId: `r-${n}` })));
    assert.deepEqual(answers.map(({ data }) => data.seq), [1, 2, 3]);
  });

  test("fifty messages in a row are acknowledged, heard and kept in one order", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const [a, b] = await inRoom(t, mode, chat, ann, ben);
    const heard = record(b, "new-message");
    const contents = Array.from({ length: 50 }, (_, i) => `message ${i}`);
    const acknowledged = await Promise.all(contents.map((content) => call(a, "send-message", { chatId: chat.id, content })));
    await until("all are heard", () => heard.length >= 50);
    const { messages } = await ben.ok("GET", `/api/chats/${chat.id}/messages`);
    for (const list of [acknowledged, heard, messages]) {
      assert.deepEqual(list.map(({ content, seq }) => [content, seq]), contents.map((content, i) => [content, i + 1]));
    }
  });

  test("typing reaches the others in the room, and not the one who types", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const [a, b] = await inRoom(t, mode, chat, ann, ben);
    const own = record(a, "user-typing");
    assert.deepEqual(await typeUntilHeard(a, b, chat), { chatId: chat.id, userId: ann.id, name: "Ann", isTyping: true });
    const ended = next(b, "user-typing", { accept: ({ isTyping }) => !isTyping });
    assert.deepEqual(await call(a, "typing", { chatId: chat.id, isTyping: false }), {});
    assert.deepEqual(await ended, { chatId: chat.id, userId: ann.id, name: "Ann", isTyping: false });
    await drained(a);
    assert.deepEqual(own, []);
  });

  test("sending, leaving and disconnecting end the typing", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const endings = {
      sending: (socket) => call(socket, "send-message", { chatId: chat.id, content: "done" }),
      leaving: (socket) => call(socket, "leave-chat", chat.id),
      disconnecting: (socket) => socket.disconnect(),
    };
    const [b] = await inRoom(t, mode, chat, ben);
    for (const [what, end] of Object.entries(endings)) {
      const [a] = await inRoom(t, mode, chat, ann);
      await typeUntilHeard(a, b, chat);
      const ended = next(b, "user-typing", { accept: ({ isTyping }) => !isTyping });
      await end(a);
      assert.equal((await ended).userId, ann.id, what);
    }
  });

  test("typing needs participation and not the room", async (t) => {
    const [ann, ben, eve] = await app.people("Ann", "Ben", "Eve");
    const chat = await ann.direct(ben);
    const [b] = await inRoom(t, mode, chat, ben);
    const a = await ann.connect(t, mode);
    await typeUntilHeard(a, b, chat);
    const ended = next(b, "user-typing", { accept: ({ isTyping }) => !isTyping });
    a.disconnect();
    assert.equal((await ended).userId, ann.id);
    await refused(await eve.connect(t, mode), "not-found", "typing", { chatId: chat.id, isTyping: true });
    await refused(b, "validation-failed", "typing", { chatId: chat.id }, "isTyping");
  });

  test("the room hears of a person's first socket and of the last", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const [b] = await inRoom(t, mode, chat, ben);
    const [joined, left] = [record(b, "user-joined"), record(b, "user-left")];
    const [phone, laptop] = await inRoom(t, mode, chat, ann, ann);
    await call(phone, "join-chat", chat.id);
    await call(phone, "leave-chat", chat.id);
    await heardAll(b, joined, 1);
    assert.deepEqual([joined, left], [[{ chatId: chat.id, userId: ann.id, name: "Ann" }], []]);
    laptop.disconnect();
    await until("the last one has left", () => left.length > 0);
    assert.deepEqual(left, [{ chatId: chat.id, userId: ann.id, name: "Ann" }]);
    const again = next(b, "user-joined");
    await call(phone, "join-chat", chat.id);
    await again;
  });

  test("nobody hears of his own coming and going", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const own = await ann.connect(t, mode);
    const heard = [record(own, "user-joined"), record(own, "user-left")];
    await call(own, "join-chat", chat.id);
    await call(own, "leave-chat", chat.id);
    await drained(own);
    assert.deepEqual(heard, [[], []]);
  });

  test("a new chat is announced to everybody in it but its maker, wherever they are", async (t) => {
    const [ann, ben, cem] = await app.people("Ann", "Ben", "Cem");
    const [a, b, phone, laptop] = await Promise.all([ann, ben, cem, cem].map((person) => person.connect(t, mode)));
    const own = record(a, "notification");
    const heard = [b, phone, laptop].map((socket) => next(socket, "notification"));
    const chat = await ann.group("News", ben, cem);
    for (const notification of await Promise.all(heard)) {
      assertNotification(notification, { type: "new-chat", chatId: chat.id });
      assertSharedChat(notification.chat, { id: chat.id, name: "News" });
      assert.equal(notification.by.id, ann.id);
    }
    await drained(a);
    assert.deepEqual(own, []);
  });

  test("a second request for the same pair announces nothing", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    await ann.direct(ben);
    const b = await ben.connect(t, mode);
    const heard = record(b, "notification");
    await ann.direct(ben);
    await drained(b);
    assert.deepEqual(heard, []);
  });

  test("adding a participant is announced to all: new-chat to the one, participant-added to the others", async (t) => {
    const [ann, ben, cem] = await app.people("Ann", "Ben", "Cem");
    const chat = await ann.group("Growing", ben);
    const [a, b, c] = await Promise.all([ann, ben, cem].map((person) => person.connect(t, mode)));
    const heard = [a, b, c].map((socket) => record(socket, "notification"));
    await ann.ok("POST", `/api/chats/${chat.id}/participants`, { userId: cem.id });
    await until("all have heard", () => heard.every((list) => list.length));
    await Promise.all([a, b, c].map(drained));
    assert.deepEqual(heard.map((list) => list.map(({ type }) => type)), [["participant-added"], ["participant-added"], ["new-chat"]]);
    for (const [notification] of heard) assertNotification(notification, { chatId: chat.id });
    assert.equal(heard[0][0].user.id, cem.id);
    assert.equal(heard[0][0].by.id, ann.id);
  });

  test("removing a participant is announced to him and to those who remain, and he hears the room no more", async (t) => {
    const [ann, ben, cem] = await app.people("Ann", "Ben", "Cem");
    const chat = await ann.group("Shrinking", ben, cem);
    const sockets = await inRoom(t, mode, chat, ann, ben, cem);
    const [a, , c] = sockets;
    const heard = sockets.map((socket) => record(socket, "notification"));
    const late = record(c, "new-message");
    await ann.ok("DELETE", `/api/chats/${chat.id}/participants/${cem.id}`);
    await until("all have heard", () => heard.every((list) => list.length));
    for (const list of heard) {
      assertNotification(list[0], { type: "participant-removed", chatId: chat.id });
      assert.equal(list[0].user.id, cem.id);
      assert.equal(list[0].by.id, ann.id);
    }
    const before = late.length;
    await call(a, "send-message", { chatId: chat.id, content: "without him" });
    await drained(c);
    assert.equal(late.length, before);
    await refused(c, "not-found", "join-chat", chat.id);
    await refused(c, "not-found", "send-message", { chatId: chat.id, content: "still here?" });
    await refused(c, "not-found", "typing", { chatId: chat.id, isTyping: true });
  });

  test("leaving a group is announced to those who remain", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.group("Leaving", ben);
    const [a, b] = await inRoom(t, mode, chat, ann, ben);
    const [own, heard] = [record(b, "notification"), next(a, "notification")];
    const system = next(a, "new-message", { accept: ({ type }) => type === "system" });
    await ben.ok("POST", `/api/chats/${chat.id}/leave`);
    assertNotification(await heard, { type: "participant-left", chatId: chat.id });
    assertMessage(await system, { chatId: chat.id });
    await drained(b);
    assert.deepEqual(own.filter(({ type }) => type === "participant-left"), []);
  });

  test("a change of a chat is heard in rev order with no gap", async (t) => {
    const [ann, ben, cem] = await app.people("Ann", "Ben", "Cem");
    const chat = await ann.group("In order", ben);
    const [a, b] = await inRoom(t, mode, chat, ann, ben);
    const revs = [];
    for (const name of ["new-message", "chat-updated"]) b.on(name, ({ rev }) => revs.push(rev));
    await Promise.all([
      ...Array.from({ length: 10 }, (_, i) => call(a, "send-message", { chatId: chat.id, content: `${i}` })),
      ann.ok("POST", `/api/chats/${chat.id}/participants`, { userId: cem.id }),
    ]);
    const { rev } = await ann.ok("GET", `/api/chats/${chat.id}`);
    await until("all are heard", () => revs.length >= rev - chat.rev);
    assert.deepEqual(revs, Array.from({ length: rev - chat.rev }, (_, i) => chat.rev + 1 + i));
  });

  test("a failure without an acknowledgement is the event error, with the name of what failed", async (t) => {
    const [ann, ben, eve] = await app.people("Ann", "Ben", "Eve");
    const chat = await ann.direct(ben);
    const socket = await eve.connect(t, mode);
    for (const [event, argument, code] of [
      ["join-chat", chat.id, "not-found"],
      ["send-message", { chatId: chat.id, content: "x" }, "not-found"],
      ["send-message", { chatId: chat.id }, "validation-failed"],
      ["typing", { chatId: chat.id, isTyping: true }, "not-found"],
      ["no-such-event", 1, "validation-failed"],
    ]) {
      const error = next(socket, "error");
      socket.emit(event, argument);
      const { event: failed, ...failure } = await error;
      assert.equal(failed, event);
      assertFailure(failure, code, undefined, event);
    }
  });

  test("a lost connection is mended, and join-chat with the last rev brings what was missed", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const [a, b] = await inRoom(t, mode, chat, ann, ben);
    const seen = await call(b, "send-message", { chatId: chat.id, content: "seen" });
    const lost = next(b, "disconnect");
    b.io.engine.close();
    await lost;
    const missed = await call(a, "send-message", { chatId: chat.id, content: "missed" });
    await connected(b);
    const answer = await call(b, "join-chat", { chatId: chat.id, rev: seen.rev });
    assert.deepEqual(answer.events.map(({ payload }) => payload.id), [missed.id]);
    const heard = next(b, "new-message");
    await call(a, "send-message", { chatId: chat.id, content: "live again" });
    assertMessage(await heard, { content: "live again" });
  });
});



timed("typing ends by itself six seconds after the last word of it", async (t) => {
  const [ann, ben] = await app.people("Ann", "Ben");
  const chat = await ann.direct(ben);
  const [a, b] = await inRoom(t, WEBSOCKET, chat, ann, ben);
  await call(a, "typing", { chatId: chat.id, isTyping: true });
  const since = performance.now();
  const ended = await next(b, "user-typing", { bound: 8000, accept: ({ isTyping }) => !isTyping });
  const elapsed = performance.now() - since;
  assert.deepEqual(ended, { chatId: chat.id, userId: ann.id, name: "Ann", isTyping: false });
  assert.ok(elapsed > 5500 && elapsed < 7000, `${elapsed} ms`);
});

test("a hundred sends of one clientMsgId over socket and REST make one message", async (t) => {
  const [ann, ben] = await app.people("Ann", "Ben");
  const chat = await ann.direct(ben);
  const socket = await ann.connect(t, WEBSOCKET);
  const body = { content: "once", clientMsgId: "both-ways" };
  const sends = Array.from({ length: 100 }, async (_, i) => {
    if (i % 2) {
      const { data, duplicate } = await reply(socket, "send-message", { chatId: chat.id, ...body });
      return { data, first: duplicate === undefined };
    }
    const { status, body: answer } = await ann.request("POST", `/api/chats/${chat.id}/messages`, body);
    return { data: answer.data, first: status === 201 };
  });
  const answers = await Promise.all(sends);
  for (const { data } of answers) assert.deepEqual(data, answers[0].data);
  assert.equal(answers.filter(({ first }) => first).length, 1, "one is the first, the others are its repeats");
  assertMessage(answers[0].data, { content: "once", seq: 1 });
  assertPart(await ann.ok("GET", `/api/chats/${chat.id}`), { lastSeq: 1 });
});

test("two devices of one person are two sockets of one member", async (t) => {
  const [ann, ben] = await app.people("Ann", "Ben");
  const chat = await ann.direct(ben);
  const laptop = await new Person(app, ann).login();
  const [phone, other] = await inRoom(t, WEBSOCKET, chat, ann, laptop);
  const heard = next(other, "new-message");
  await call(phone, "send-message", { chatId: chat.id, content: "from my phone" });
  assertMessage(await heard, { senderId: ann.id });
});
