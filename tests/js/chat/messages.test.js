// What happens to a message after it was sent: sections 3 to 6 of the contract, over plain HTTP and the official client alike.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { MODES } from "../support/modes.js";
import { Parlance, call, drained, heardAll, inRoom, refused } from "../support/parlance.js";
import { assertCatchUp, assertKeys, assertMessage, assertPart, assertTime } from "../support/shapes.js";
import { next, record, until } from "../support/wait.js";

const WEBSOCKET = MODES[1];
const THUMB = "👍";

let app;
let cast;
before(async () => {
  app = await Parlance.start();
  const [owner, moderator, member, other] = await app.people("Owner", "Moderator", "Member", "Other");
  cast = { owner, moderator, member, other, admin: await app.createUser("Admin", "admin") };
});
after(() => app.stop());

/** A group with everybody in their places but the admin. */
async function group() {
  const { owner, moderator, member, other } = cast;
  const chat = await owner.group("Table", moderator, member, other);
  await owner.ok("PATCH", `/api/chats/${chat.id}/participants/${moderator.id}`, { role: "moderator" });
  return chat;
}

const route = ({ chatId, id }) => `/api/chats/${chatId}/messages/${id}`;
const reaction = (message, emoji) => `${route(message)}/reactions/${encodeURIComponent(emoji)}`;
const send = (person, chat, content, extra = {}) => person.ok("POST", `/api/chats/${chat.id}/messages`, { content, ...extra }, 201);
const stored = async (person, { chatId, seq }) => (await person.ok("GET", `/api/chats/${chatId}/messages?after=${seq - 1}&limit=1`)).messages[0];
const logged = async (person, { id }, rev) => (await person.ok("GET", `/api/chats/${id}/events?since=${rev}`)).events;

/** Both ways of one act: `ok` gives the data of its success, `no(code)` the failure. `socket` is the acting person's. */
const STATUS = { "validation-failed": 400, forbidden: 403, "not-found": 404, conflict: 409, "edit-window-closed": 409 };
const REQUESTS = {
  edit: (message, body) => ["PATCH", route(message), body],
  delete: (message) => ["DELETE", route(message)],
  react: (message, emoji) => ["PUT", reaction(message, emoji)],
  unreact: (message, emoji) => ["DELETE", reaction(message, emoji)],
  read: ({ chatId }, seq) => ["POST", `/api/chats/${chatId}/read`, { seq }],
};
const EVENTS = {
  edit: ({ chatId, id }, body) => ["edit-message", { chatId, messageId: id, ...body }],
  delete: ({ chatId, id }) => ["delete-message", { chatId, messageId: id }],
  react: ({ chatId, id }, emoji) => ["add-reaction", { chatId, messageId: id, emoji }],
  unreact: ({ chatId, id }, emoji) => ["remove-reaction", { chatId, messageId: id, emoji }],
  read: ({ chatId }, seq) => ["mark-read", { chatId, seq }],
};
const WAYS = {
  "over HTTP": {
    ok: (person, socket, act, ...args) => person.ok(...REQUESTS[act](...args)),
    no: (code, field, person, socket, act, ...args) => {
      const [method, path, body] = REQUESTS[act](...args);
      return person.refused(STATUS[code], code, method, path, body, field);
    },
  },
  "over the socket": {
    ok: (person, socket, act, ...args) => call(socket, ...EVENTS[act](...args)),
    no: (code, field, person, socket, act, ...args) => refused(socket, code, ...EVENTS[act](...args), field),
  },
};

for (const [way, { ok, no }] of Object.entries(WAYS)) {
  describe(way, () => {
    test(`an edit is shown to the room and logged, ${way}`, async (t) => {
      const { member, other } = cast;
      const chat = await group();
      const [a, b] = await inRoom(t, WEBSOCKET, chat, member, other);
      const first = await send(member, chat, "frist", { clientMsgId: "c-1" });
      await ok(other, b, "react", first, THUMB);
      const heard = next(b, "message-updated");
      const edited = await ok(member, a, "edit", first, { content: "first" });
      assertMessage(edited, { ...first, content: "first", version: 2, rev: first.rev + 2, editedAt: edited.editedAt, reactions: { [THUMB]: { count: 1, mine: false } } });
      assertTime(edited.editedAt);
      const told = await heard;
      assert.deepEqual(told, { ...edited, reactions: { [THUMB]: { count: 1 } } });
      assert.deepEqual((await logged(member, chat, first.rev + 1)).map(({ rev, event, payload }) => [rev, event, payload]), [[edited.rev, "message-updated", told]]);
      assert.deepEqual(await stored(member, first), edited);
    });

    test(`an edit is refused to everybody but the author, ${way}`, async (t) => {
      const chat = await group();
      const message = await send(cast.member, chat, "mine");
      for (const person of [cast.owner, cast.moderator, cast.other, cast.admin]) {
        await no("forbidden", undefined, person, await person.connect(t, WEBSOCKET), "edit", message, { content: "yours" });
      }
      assert.deepEqual(await stored(cast.member, message), message);
    });

    test(`an edit names what is wrong with it, ${way}`, async (t) => {
      const { member } = cast;
      const chat = await group();
      const socket = await member.connect(t, WEBSOCKET);
      const message = await send(member, chat, "one");
      const elsewhere = await send(member, await group(), "elsewhere");
      const edit = (code, field, body, target = message) => no(code, field, member, socket, "edit", target, body);
      for (const content of [undefined, null, "", " \n", "x".repeat(4001), "bell\u0007", 5]) await edit("validation-failed", "content", { content });
      for (const ifVersion of ["1", -1, 1.5]) await edit("validation-failed", "ifVersion", { content: "x", ifVersion });
      await edit("conflict", undefined, { content: "x", ifVersion: 2 });
      await edit("not-found", undefined, { content: "x" }, { ...message, id: elsewhere.id });
      await edit("not-found", undefined, { content: "x" }, { ...message, id: "nothing" });
      assertPart(await ok(member, socket, "edit", message, { content: "two", ifVersion: 1 }), { version: 2 });
      await ok(member, socket, "delete", message);
      await edit("conflict", undefined, { content: "three" });
      await edit("conflict", undefined, { content: "three", ifVersion: 2 });
    });

    test(`a deleted message stays as a tombstone, ${way}`, async (t) => {
      const chat = await group();
      const [a, b] = await inRoom(t, WEBSOCKET, chat, cast.member, cast.other);
      for (const by of [cast.member, cast.moderator, cast.owner, cast.admin]) {
        const message = await send(cast.member, chat, "a secret");
        const socket = by === cast.member ? a : await by.connect(t, WEBSOCKET);
        const heard = record(b, "message-deleted");
        const tombstone = await ok(by, socket, "delete", message);
        assertMessage(tombstone, { ...message, content: "", rev: message.rev + 1, deletedAt: tombstone.deletedAt });
        assertTime(tombstone.deletedAt);
        assert.deepEqual(await ok(by, socket, "delete", message), tombstone, "once more changes nothing");
        await heardAll(b, heard, 1);
        const { rev, deletedAt } = tombstone;
        assert.deepEqual(heard, [{ chatId: chat.id, rev, messageId: message.id, seq: message.seq, deletedBy: by.id, deletedAt }]);
        assert.deepEqual((await logged(cast.other, chat, rev - 1)).map(({ event, payload }) => [event, payload]), [["message-deleted", heard[0]]]);
        assert.ok(!JSON.stringify(await logged(cast.other, chat, 0)).includes("a secret"), "the log has it no more");
        b.off("message-deleted");
      }
    });

    test(`a message is not deleted by members who did not write it, nor when there is none, ${way}`, async (t) => {
      const chat = await group();
      const message = await send(cast.member, chat, "mine");
      const socket = await cast.other.connect(t, WEBSOCKET);
      await no("forbidden", undefined, cast.other, socket, "delete", message);
      await no("not-found", undefined, cast.other, socket, "delete", { ...message, id: "nothing" });
      assert.deepEqual(await stored(cast.member, message), message);
    });

    test(`reactions are counted once a person, and say whose they are, ${way}`, async (t) => {
      const { member, other } = cast;
      const chat = await group();
      const [a, b] = await inRoom(t, WEBSOCKET, chat, member, other);
      const message = await send(member, chat, "like it?");
      const heard = record(b, "reaction-updated");
      const reacted = (count, mine) => ({ reactions: { [THUMB]: { count, mine } } });
      assert.deepEqual(await ok(member, a, "react", message, THUMB), reacted(1, true));
      assert.deepEqual(await ok(member, a, "react", message, THUMB), reacted(1, true));
      assert.deepEqual(await ok(other, b, "react", message, THUMB), reacted(2, true));
      assert.deepEqual(await ok(member, a, "unreact", message, THUMB), reacted(1, false));
      assert.deepEqual(await ok(member, a, "unreact", message, THUMB), reacted(1, false));
      assert.deepEqual(await ok(other, b, "unreact", message, THUMB), { reactions: {} });
      await heardAll(b, heard, 4);
      const told = (place, userId, added, count) => ({ chatId: chat.id, rev: message.rev + place, messageId: message.id, userId, emoji: THUMB, added, count });
      assert.deepEqual(heard, [told(1, member.id, true, 1), told(2, other.id, true, 2), told(3, member.id, false, 1), told(4, other.id, false, 0)]);
      assert.deepEqual((await logged(member, chat, message.rev)).map(({ payload }) => payload), heard);
      assertPart(await stored(member, message), { rev: message.rev + 4, version: 1, editedAt: null });
    });

    test(`a message takes twenty kinds of reactions of 32 bytes at most, ${way}`, async (t) => {
      const { member } = cast;
      const socket = await member.connect(t, WEBSOCKET);
      const message = await send(member, await group(), "many");
      await ok(member, socket, "react", message, "x".repeat(32));
      for (let kind = 2; kind <= 20; kind += 1) await ok(member, socket, "react", message, `e${kind}`);
      for (const emoji of ["e21", "x".repeat(33)]) await no("validation-failed", "emoji", member, socket, "react", message, emoji);
      await ok(member, socket, "delete", message);
      await no("conflict", undefined, member, socket, "react", message, "e2");
    });

    test(`reading only ever rises, and tells the room and one's own devices, ${way}`, async (t) => {
      const { member, other } = cast;
      const chat = await group();
      const [a, b] = await inRoom(t, WEBSOCKET, chat, member, other);
      const device = await other.connect(t, WEBSOCKET);
      const [own, foreign] = [record(device, "unread-updated"), record(a, "unread-updated")];
      const sent = [];
      for (const content of ["one", "two", "three"]) sent.push(await send(member, chat, content));
      const { seq } = sent[1];
      const heard = record(a, "message-read");
      const read = (position) => ok(other, b, "read", sent[0], position);
      assert.deepEqual(await read(seq), { readSeq: seq, unreadCount: 1 });
      assert.deepEqual(await read(seq - 1), { readSeq: seq, unreadCount: 1 });
      for (const position of [seq + 2, -1, 1.5, "1", null, 2 ** 53]) await no("validation-failed", "seq", other, b, "read", sent[0], position);
      await Promise.all([heardAll(a, heard, 1), heardAll(device, own, 1)]);
      assert.equal(heard.length, 1);
      assertKeys("receipt", heard[0], ["chatId", "userId", "seq", "at"]);
      assertPart(heard[0], { chatId: chat.id, userId: other.id, seq });
      assertTime(heard[0].at);
      assert.deepEqual([own, foreign], [[{ chatId: chat.id, unreadCount: 1, readSeq: seq }], []]);
      assertPart(await other.ok("GET", `/api/chats/${chat.id}`), { readSeq: seq, unreadCount: 1 });
      const { participants } = await member.ok("GET", `/api/chats/${chat.id}`);
      assertPart(participants.find(({ userId }) => userId === other.id), { readSeq: seq, deliveredSeq: seq });
    });
  });
}

test("it can be too late to edit, and an author may still delete", async (t) => {
  const late = await Parlance.start({ options: ["--edit-window", "0"] });
  t.after(() => late.stop());
  const [ann, ben] = await late.people("Ann", "Ben");
  const chat = await ann.direct(ben);
  const message = await send(ann, chat, "for ever");
  const socket = await ann.connect(t, WEBSOCKET);
  for (const { no } of Object.values(WAYS)) await no("edit-window-closed", undefined, ann, socket, "edit", message, { content: "not" });
  assertMessage(await ann.ok("DELETE", route(message)), { content: "" });
});

test("what the system says is nobody's to edit or delete", async () => {
  const chat = await cast.owner.group("System", cast.member);
  await cast.owner.ok("PATCH", `/api/chats/${chat.id}`, { name: "Renamed" });
  const { messages } = await cast.owner.ok("GET", `/api/chats/${chat.id}/messages`);
  assertMessage(messages[0], { type: "system" });
  await cast.owner.refused(403, "forbidden", "PATCH", route(messages[0]), { content: "x" });
  await cast.owner.refused(403, "forbidden", "DELETE", route(messages[0]));
});

test("a reply names a message of its chat, a mention its participants", async (t) => {
  const { owner, member, other } = cast;
  const chat = await owner.group("Talking", member);
  const socket = await owner.connect(t, WEBSOCKET);
  const path = `/api/chats/${chat.id}/messages`;
  const first = await send(owner, chat, "first");
  const elsewhere = await send(owner, await owner.group("Else"), "elsewhere");
  const reply = await send(member, chat, "answer", { replyTo: first.id, mentions: [owner.id, owner.id] });
  assertMessage(reply, { replyTo: first.id, mentions: [owner.id] });
  assert.deepEqual(await stored(owner, reply), reply);
  for (const [field, body] of [
    ["replyTo", { replyTo: elsewhere.id }],
    ["replyTo", { replyTo: "nothing" }],
    ["replyTo", { replyTo: {} }],
    ["mentions", { mentions: [other.id] }],
    ["mentions", { mentions: [member.id, "nobody"] }],
    ["mentions", { mentions: member.id }],
    ["mentions", { mentions: Array.from({ length: 51 }, (_, i) => `p${i}`) }],
  ]) {
    await owner.refused(400, "validation-failed", "POST", path, { content: "x", ...body }, field);
    await refused(socket, "validation-failed", "send-message", { chatId: chat.id, content: "x", ...body }, field);
  }
  assertPart(await owner.ok("GET", `/api/chats/${chat.id}`), { lastSeq: reply.seq });
});

test("another body under one clientMsgId is refused, later edits do not count", async () => {
  const { owner, member } = cast;
  const chat = await owner.group("Once", member);
  const path = `/api/chats/${chat.id}/messages`;
  const first = await send(owner, chat, "first");
  const body = { content: "once", clientMsgId: "c", replyTo: first.id, mentions: [member.id] };
  const sent = await send(owner, chat, body.content, body);
  for (const change of [{ content: "twice" }, { replyTo: undefined }, { mentions: [] }, { mentions: [owner.id] }]) {
    await owner.refused(409, "idempotency-mismatch", "POST", path, { ...body, ...change });
  }
  const edited = await owner.ok("PATCH", route(sent), { content: "edited" });
  assert.deepEqual(await owner.ok("POST", path, body, 200), edited, "the repeat is answered with the message as it is now");
  const deleted = await owner.ok("DELETE", route(sent));
  assert.deepEqual(await owner.ok("POST", path, body, 200), deleted);
});

test("unread are the messages of others after what one has read, neither system nor deleted, up to 100", async () => {
  const { owner, member } = cast;
  const chat = await owner.group("Counting", member);
  const unread = async (person) => (await person.ok("GET", "/api/chats")).chats.find(({ id }) => id === chat.id).unreadCount;
  await send(owner, chat, "one");
  const two = await send(owner, chat, "two");
  await owner.ok("PATCH", `/api/chats/${chat.id}`, { name: "Counted" });
  assert.deepEqual([await unread(member), await unread(owner)], [2, 0]);
  await owner.ok("DELETE", route(two));
  assert.equal(await unread(member), 1);
  await send(member, chat, "mine: read up to here");
  assertPart(await member.ok("GET", `/api/chats/${chat.id}`), { unreadCount: 0, readSeq: 4 });
  await Promise.all(Array.from({ length: 101 }, (_, i) => send(owner, chat, `m${i}`)));
  assert.equal(await unread(member), 100);
});

test("sending while others were unread tells one's own devices that they are read", async (t) => {
  const { owner, member } = cast;
  const chat = await owner.group("Own", member);
  const device = await member.connect(t, WEBSOCKET);
  const heard = record(device, "unread-updated");
  await send(owner, chat, "one");
  const { seq } = await send(member, chat, "two");
  await heardAll(device, heard, 1);
  assert.deepEqual(heard, [{ chatId: chat.id, unreadCount: 0, readSeq: seq }]);
});

test("delivery is told to the room, once", async (t) => {
  const { member, other } = cast;
  const chat = await group();
  const [a, b] = await inRoom(t, WEBSOCKET, chat, member, other);
  const { seq } = await send(member, chat, "x");
  const heard = record(a, "message-delivered");
  const items = [{ chatId: chat.id, seq }];
  assert.deepEqual(await call(b, "mark-delivered", { items }), {});
  assert.deepEqual(await call(b, "mark-delivered", { items }), {});
  await heardAll(a, heard, 1);
  assert.equal(heard.length, 1);
  assertKeys("receipt", heard[0], ["chatId", "userId", "seq", "at"]);
  assertPart(heard[0], { chatId: chat.id, userId: other.id, seq });
  // Of several chats, and of one more than once: the furthest counts.
  const second = await send(member, chat, "y");
  const elsewhere = await member.direct(other, { initialMessage: "z" });
  const both = [{ chatId: chat.id, seq: second.seq }, items[0], { chatId: elsewhere.id, seq: elsewhere.lastSeq }];
  assert.deepEqual(await call(b, "mark-delivered", { items: both }), {});
  await heardAll(a, heard, 2);
  assert.deepEqual(heard.map((receipt) => receipt.seq), [seq, second.seq]);
  const { participants } = await member.ok("GET", `/api/chats/${elsewhere.id}`);
  assertPart(participants.find(({ userId }) => userId === other.id), { deliveredSeq: elsewhere.lastSeq });
  const hundred = Array.from({ length: 100 }, () => items[0]);
  assert.deepEqual(await call(b, "mark-delivered", { items: hundred }), {});
  for (const wrong of [undefined, null, {}, [1], [{ chatId: chat.id }], [{ chatId: chat.id, seq: second.seq + 1 }], [...hundred, items[0]]]) {
    await refused(b, "validation-failed", "mark-delivered", { items: wrong }, "items");
  }
  await refused(b, "not-found", "mark-delivered", { items: [{ chatId: "nothing", seq: 1 }] });
});

test("the log is read in pieces, from any change on, or says reset", async () => {
  const { member } = cast;
  const chat = await group();
  for (const content of ["one", "two", "three"]) await send(member, chat, content);
  const events = `/api/chats/${chat.id}/events`;
  const all = await member.ok("GET", `${events}?since=0`);
  assertKeys("log", all, ["events", "rev", "more", "reset"]);
  const revs = all.events.map(({ rev }) => rev);
  assert.deepEqual(revs, Array.from({ length: all.rev }, (_, i) => i + 1));
  assert.deepEqual([all.more, all.reset], [false, false]);
  all.events.forEach((event) => assertKeys("logged event", event, ["rev", "event", "payload"]));
  const piece = await member.ok("GET", `${events}?since=1&limit=2`);
  assert.deepEqual([piece.events, piece.rev, piece.more], [all.events.slice(1, 3), all.rev, true]);
  assert.deepEqual(await member.ok("GET", `${events}?since=${all.rev}`), { events: [], rev: all.rev, more: false, reset: false });
  assert.deepEqual(await member.ok("GET", `${events}?since=${all.rev + 1}`), { events: [], rev: all.rev, more: false, reset: true });
  for (const [field, query] of [["since", ""], ["since", "?since=x"], ["since", "?since=-1"], ["limit", "?since=0&limit=0"], ["limit", "?since=0&limit=101"]]) {
    await member.refused(400, "validation-failed", "GET", events + query, undefined, field);
  }
});

test("sync answers for each chat as join-chat does, and joins none", async (t) => {
  const { owner, member } = cast;
  const [one, two, foreign] = [await owner.group("One", member), await owner.group("Two", member), await owner.group("Foreign")];
  const socket = await member.connect(t, WEBSOCKET);
  const live = record(socket, "new-message");
  const sent = await send(owner, one, "missed");
  const positions = { [one.id]: sent.rev - 1, [two.id]: two.rev + 5, [foreign.id]: 0, nothing: 0 };
  const answer = await call(socket, "sync", { positions });
  assert.deepEqual(Object.keys(answer), ["chats"]);
  assert.deepEqual(Object.keys(answer.chats).sort(), Object.keys(positions).sort());
  assertCatchUp(answer.chats[one.id], { chatId: one.id, rev: sent.rev, lastSeq: 1, readSeq: 0, more: false, reset: false });
  assert.deepEqual(answer.chats[one.id].events, [{ rev: sent.rev, event: "new-message", payload: sent }]);
  assertCatchUp(answer.chats[two.id], { events: [], reset: true });
  for (const id of [foreign.id, "nothing"]) {
    assert.deepEqual(answer.chats[id], { error: { code: "not-found", retryable: false } });
  }
  await send(owner, one, "not live");
  await drained(socket);
  assert.deepEqual(live, []);
  const many = (count) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`c${i}`, 0]));
  await call(socket, "sync", { positions: many(200) });
  for (const wrong of [undefined, null, [], "x", { [one.id]: "1" }, { [one.id]: -1 }, many(201)]) {
    await refused(socket, "validation-failed", "sync", { positions: wrong }, "positions");
  }
});

test("a long absence is caught up in pieces, each going on where the one before ended", async (t) => {
  const { owner, member } = cast;
  const chat = await owner.group("Long", member);
  await Promise.all(Array.from({ length: 150 }, (_, i) => send(owner, chat, `m${i}`)));
  const socket = await member.connect(t, WEBSOCKET);
  const revs = [];
  let answer;
  do {
    answer = await call(socket, "join-chat", { chatId: chat.id, rev: revs.at(-1) ?? 0 });
    assertCatchUp(answer, { rev: 150, lastSeq: 150, reset: false });
    revs.push(...answer.events.map(({ rev }) => rev));
  } while (answer.more);
  assert.deepEqual(revs, Array.from({ length: 150 }, (_, i) => i + 1));
});

test("between what was missed and what comes live nothing falls", async (t) => {
  const { owner, member } = cast;
  const chat = await owner.group("Seam", member);
  const sender = await owner.connect(t, WEBSOCKET);
  const sending = Promise.all(Array.from({ length: 120 }, (_, i) => call(sender, "send-message", { chatId: chat.id, content: `m${i}` })));
  const socket = await member.connect(t, WEBSOCKET);
  const live = record(socket, "new-message");
  const seen = [];
  let answer;
  do {
    answer = await call(socket, "join-chat", { chatId: chat.id, rev: seen.at(-1) ?? 0 });
    seen.push(...answer.events.map(({ rev }) => rev));
  } while (answer.more);
  await sending;
  await until("all are heard", () => answer.rev >= 120 || live.at(-1)?.rev === 120);
  const fresh = live.map(({ rev }) => rev).filter((rev) => rev > (seen.at(-1) ?? 0));
  assert.deepEqual([...seen, ...fresh], Array.from({ length: 120 }, (_, i) => i + 1));
});
