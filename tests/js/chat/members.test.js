// Sections 4, 6 and 9 of the contract: changes of a chat, who hears of them, kept notifications, presence.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { MODES } from "../support/modes.js";
import { Parlance, call, drained, heardAll, inRoom, refused } from "../support/parlance.js";
import { assertKeys, assertMessage, assertNotification, assertParticipant, assertPart, assertProfile, assertSharedChat, assertTime } from "../support/shapes.js";
import { next, record, until } from "../support/wait.js";

const WEBSOCKET = MODES[1];

let app;
let ann;
let ben;
let cem;
let eve;
let admin;
before(async () => {
  app = await Parlance.start();
  [ann, ben, cem, eve] = await app.people("Ann", "Ben", "Cem", "Eve");
  admin = await app.createUser("Root", "admin");
});
after(() => app.stop());

const at = (chat, rest = "") => `/api/chats/${chat.id}${rest}`;
const participant = (chat, person) => at(chat, `/participants/${person.id}`);
const send = (person, chat, content, extra = {}) => person.ok("POST", at(chat, "/messages"), { content, ...extra }, 201);
const roles = ({ participants }) => Object.fromEntries(participants.map(({ userId, role }) => [userId, role]));
const setRole = (by, chat, person, role) => by.ok("PATCH", participant(chat, person), { role });

/** What the room hears of `change`, as `[event, payload]`; the log says the same, with revs in a row. */
async function heardOf(t, chat, change) {
  const watcher = await ann.connect(t, WEBSOCKET);
  const { rev } = await call(watcher, "join-chat", chat.id);
  const heard = [];
  for (const name of ["new-message", "chat-updated"]) watcher.on(name, (payload) => heard.push([name, payload]));
  await change();
  const { events } = await ann.ok("GET", at(chat, `/events?since=${rev}`));
  await heardAll(watcher, heard, events.length);
  assert.deepEqual(heard, events.map(({ event, payload }) => [event, payload]));
  assert.deepEqual(events.map((event) => event.rev), events.map((_, i) => rev + 1 + i));
  heard.forEach(([name, payload]) => {
    if (name === "new-message") return assertMessage(payload, { chatId: chat.id });
    assertKeys("chat-updated", payload, ["chatId", "rev", "chat"]);
    assertPart(payload, { chatId: chat.id });
    assertSharedChat(payload.chat, { rev: payload.rev });
  });
  return heard;
}

const names = (heard) => heard.map(([name]) => name);
const LOGGED_TWICE = ["new-message", "chat-updated"];

test("adding, removing, leaving, renaming and handing over are a system message and then chat-updated", async (t) => {
  const chat = await ann.group("Changing", ben);
  const of = (person, by) => ({ userId: person.id, name: person.name, ...(by && { byId: by.id, byName: by.name }) });
  for (const [kind, params, change, check] of [
    ["participant-added", of(cem, ben), () => ben.ok("POST", at(chat, "/participants"), { userId: cem.id }), (now) => roles(now)[cem.id] === "member"],
    ["participant-removed", of(cem, ann), () => ann.ok("DELETE", participant(chat, cem)), (now) => !(cem.id in roles(now))],
    ["chat-renamed", { name: "Changed" }, () => ann.ok("PATCH", at(chat), { name: "  Changed " }), (now) => now.name === "Changed"],
    ["owner-changed", of(ben, ann), () => setRole(ann, chat, ben, "owner"), (now) => roles(now)[ben.id] === "owner" && roles(now)[ann.id] === "moderator"],
  ]) {
    const heard = await heardOf(t, chat, change);
    assert.deepEqual(names(heard), LOGGED_TWICE, kind);
    const [[, message], [, updated]] = heard;
    assertPart(message, { type: "system", senderId: null, sender: null, system: { kind, params } });
    assert.ok(message.content.includes(params.name), `${message.content} reads like ${kind}`);
    assert.ok(check(updated.chat), `${kind}: ${JSON.stringify(updated.chat)}`);
  }
  // The owner goes: that they left, and then that somebody else is the owner.
  const heard = await heardOf(t, chat, () => ben.ok("POST", at(chat, "/leave")));
  assert.deepEqual(names(heard), [...LOGGED_TWICE, ...LOGGED_TWICE]);
  assert.deepEqual([heard[0][1].system, heard[2][1].system], [
    { kind: "participant-left", params: of(ben) },
    { kind: "owner-changed", params: of(ann, ben) },
  ]);
  assert.deepEqual(roles(heard[3][1].chat), { [ann.id]: "owner" });
});

test("a role change is chat-updated alone", async (t) => {
  const chat = await ann.group("Roles", ben);
  const heard = await heardOf(t, chat, () => setRole(ann, chat, ben, "moderator"));
  assert.deepEqual(names(heard), ["chat-updated"]);
  assert.equal(roles(heard[0][1].chat)[ben.id], "moderator");
});

test("a group is renamed by owner, moderator and admin", async () => {
  const chat = await ann.group("Name", ben, cem);
  await setRole(ann, chat, ben, "moderator");
  for (const [by, name] of [[ann, "By Ann"], [ben, "By Ben"], [admin, "By an admin"]]) {
    assertPart(await by.ok("PATCH", at(chat), { name }), { id: chat.id, name });
  }
  await cem.refused(403, "forbidden", "PATCH", at(chat), { name: "By Cem" });
  await eve.refused(404, "not-found", "PATCH", at(chat), { name: "By Eve" });
  for (const name of [undefined, null, "", "  ", "x".repeat(101), 7, "bell\u0007"]) {
    await ann.refused(400, "validation-failed", "PATCH", at(chat), { name }, "name");
  }
});

test("roles are given by owner and admin, and an owner's role is handed over", async () => {
  const chat = await ann.group("Roles", ben, cem);
  const role = await setRole(ann, chat, ben, "moderator");
  assertParticipant(role);
  assertPart(role, { userId: ben.id, role: "moderator" });
  for (const by of [ben, cem]) await by.refused(403, "forbidden", "PATCH", participant(chat, cem), { role: "moderator" });
  await ann.refused(404, "not-found", "PATCH", participant(chat, eve), { role: "member" });
  for (const wrong of [undefined, "king", 1]) await ann.refused(400, "validation-failed", "PATCH", participant(chat, ben), { role: wrong }, "role");
  assertPart(await setRole(admin, chat, cem, "owner"), { userId: cem.id, role: "owner" });
  assert.deepEqual(roles(await ann.ok("GET", at(chat))), { [ann.id]: "moderator", [ben.id]: "moderator", [cem.id]: "owner" });
});

test("a moderator removes members, and not the owner", async () => {
  const chat = await ann.group("Order", ben, cem);
  await setRole(ann, chat, ben, "moderator");
  await ben.refused(403, "forbidden", "DELETE", participant(chat, ann));
  assert.deepEqual(await ben.ok("DELETE", participant(chat, cem)), {});
  await ben.refused(404, "not-found", "DELETE", participant(chat, cem));
});

test("the longest-standing takes over from an owner who leaves", async () => {
  const chat = await ann.group("Heirs", cem);
  await ann.ok("POST", at(chat, "/participants"), { userId: ben.id });
  await setRole(ann, chat, ben, "moderator");
  await ann.ok("POST", at(chat, "/leave"));
  assert.deepEqual(roles(await ben.ok("GET", at(chat))), { [cem.id]: "owner", [ben.id]: "moderator" });
  const pair = await ann.group("At once", ben, cem);
  await ann.ok("POST", at(pair, "/leave"));
  const heir = [ben, cem].sort((a, b) => (a.id < b.id ? -1 : 1))[0];
  assert.equal(roles(await ben.ok("GET", at(pair)))[heir.id], "owner", "the smaller id of two who came at once");
});

test("a direct chat does not change", async () => {
  const chat = await ann.direct(ben);
  const wrong = (by, method, route, body) => by.refused(400, "validation-failed", method, route, body);
  for (const by of [ann, admin]) {
    await wrong(by, "PATCH", at(chat), { name: "Pair" });
    await wrong(by, "PATCH", participant(chat, ben), { role: "owner" });
    await wrong(by, "POST", at(chat, "/participants"), { userId: cem.id });
    await wrong(by, "DELETE", participant(chat, ben));
  }
  await wrong(ann, "POST", at(chat, "/leave"));
  assertPart(await ann.ok("GET", at(chat)), { name: null });
});

/** What each of `people` is notified of by `change`: their notifications, by name; `counts` says how many there are to be. */
async function notified(t, people, counts, change) {
  const sockets = await Promise.all(people.map((person) => person.connect(t, WEBSOCKET)));
  const heard = sockets.map((socket) => record(socket, "notification"));
  await change();
  await Promise.all(sockets.map((socket, i) => heardAll(socket, heard[i], counts[i])));
  heard.flat().forEach((notification) => assertNotification(notification));
  return Object.fromEntries(people.map(({ name }, i) => [name, heard[i]]));
}

test("who is notified of a change, and of what", async (t) => {
  const all = [ann, ben, cem, eve];
  const kinds = (heard) => Object.fromEntries(Object.entries(heard).map(([name, list]) => [name, list.map(({ type }) => type)]));
  let chat;
  let heard = await notified(t, all, [0, 1, 0, 0], async () => (chat = await ann.group("Told", ben)));
  assert.deepEqual(kinds(heard), { Ann: [], Ben: ["new-chat"], Cem: [], Eve: [] });
  assertSharedChat(heard.Ben[0].chat, { id: chat.id });
  heard = await notified(t, all, [1, 1, 1, 0], () => ann.ok("POST", at(chat, "/participants"), { userId: cem.id }));
  assert.deepEqual(kinds(heard), { Ann: ["participant-added"], Ben: ["participant-added"], Cem: ["new-chat"], Eve: [] });
  assertPart(heard.Ben[0], { chatId: chat.id, user: { id: cem.id, name: "Cem", role: "student" }, by: { id: ann.id, name: "Ann", role: "student" } });
  heard = await notified(t, all, [1, 1, 1, 0], () => ann.ok("DELETE", participant(chat, cem)));
  assert.deepEqual(kinds(heard), { Ann: ["participant-removed"], Ben: ["participant-removed"], Cem: ["participant-removed"], Eve: [] });
  for (const { user, by } of [heard.Ann[0], heard.Cem[0]]) assert.deepEqual([user.id, by.id], [cem.id, ann.id]);
  heard = await notified(t, all, [1, 0, 0, 0], () => ben.ok("POST", at(chat, "/leave")));
  assert.deepEqual(kinds(heard), { Ann: ["participant-left"], Ben: [], Cem: [], Eve: [] });
  assertPart(heard.Ann[0], { chatId: chat.id });
  assertProfile(heard.Ann[0].user);
  assert.equal(heard.Ann[0].user.id, ben.id);
  heard = await notified(t, all, [0, 0, 0, 0], () => ann.ok("PATCH", at(chat), { name: "Nobody is told" }));
  assert.deepEqual(kinds(heard), { Ann: [], Ben: [], Cem: [], Eve: [] });
});

test("a message is notified to those without a socket in the room, a mention in its place", async (t) => {
  const chat = await ann.group("Away", ben, cem, eve);
  const [live, elsewhere] = await inRoom(t, WEBSOCKET, chat, ben, cem);
  await call(elsewhere, "leave-chat", chat.id);
  const seen = record(live, "notification");
  const sent = [];
  const heard = await notified(t, [ann, cem, eve], [0, 2, 2], async () => {
    sent.push(await send(ann, chat, "hello"), await send(ann, chat, "you", { mentions: [cem.id, ben.id] }));
  });
  assert.deepEqual([heard.Ann, seen], [[], []]);
  assert.deepEqual(heard.Cem.map(({ type, message }) => [type, message]), [["new-message", sent[0]], ["mention", sent[1]]]);
  assert.deepEqual(heard.Eve.map(({ type, message }) => [type, message]), [["new-message", sent[0]], ["new-message", sent[1]]]);
});

test("notifications are kept, newest first, and marked as read", async () => {
  const [fay, gus] = await app.people("Fay", "Gus");
  const chat = await gus.group("Kept", fay);
  const sent = [];
  for (const content of ["one", "two", "three"]) sent.push(await send(gus, chat, content));
  const inbox = async (query = "") => {
    const page = await fay.ok("GET", `/api/notifications${query}`);
    assertKeys("inbox", page, ["notifications", "nextCursor", "unreadCount"]);
    return page;
  };
  const whole = await until("all are kept", async () => {
    const page = await inbox();
    return page.notifications.length === 4 && page;
  });
  assert.deepEqual(whole.notifications.map(({ type }) => type), ["new-message", "new-message", "new-message", "new-chat"]);
  assert.deepEqual(whole.notifications.map(({ message }) => message?.id), [...sent.map(({ id }) => id).reverse(), undefined]);
  assert.equal(whole.notifications[3].chat.id, chat.id);
  assert.deepEqual([whole.nextCursor, whole.unreadCount], [null, 4]);
  const paged = [];
  for (let cursor = ""; cursor !== null; ) {
    const page = await inbox(`?limit=3${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    paged.push(...page.notifications);
    cursor = page.nextCursor;
  }
  assert.deepEqual(paged, whole.notifications);
  const read = (body) => fay.ok("POST", "/api/notifications/read", body);
  const first = whole.notifications[0].id;
  assert.deepEqual(await read({ ids: [first] }), { unreadCount: 3 });
  assert.deepEqual(await read({ ids: [first, "nothing"] }), { unreadCount: 3 });
  assert.deepEqual(await gus.ok("POST", "/api/notifications/read", { ids: [whole.notifications[1].id] }), { unreadCount: 0 });
  assert.equal((await inbox()).unreadCount, 3, "nobody reads another's");
  assert.deepEqual(await read({ all: true }), { unreadCount: 0 });
  for (const body of [{}, { ids: "x" }, { ids: [{}] }, { all: false }]) await fay.refused(400, "validation-failed", "POST", "/api/notifications/read", body);
  for (const [field, query] of [["limit", "?limit=0"], ["limit", "?limit=101"], ["cursor", "?cursor=nonsense"], ["cursor", "?cursor="]]) {
    await fay.refused(400, "validation-failed", "GET", `/api/notifications${query}`, undefined, field);
  }
});

test("presence is told to those who subscribed and share a chat, until ten seconds after the last socket", async (t) => {
  const [hal, ivy, joe] = await app.people("Hal", "Ivy", "Joe");
  await hal.direct(ivy);
  const watcher = await hal.connect(t, WEBSOCKET);
  const answer = await call(watcher, "subscribe-presence", { userIds: [ivy.id, joe.id, "nobody"] });
  assert.deepEqual(answer, { presence: [{ userId: ivy.id, status: "offline", lastSeenAt: null }] });
  const changes = record(watcher, "presence-updated");
  const [phone, laptop] = [await ivy.connect(t, WEBSOCKET), await ivy.connect(t, WEBSOCKET)];
  await joe.connect(t, WEBSOCKET);
  await until("she is online", () => changes.length > 0);
  const online = await call(watcher, "subscribe-presence", { userIds: [ivy.id] });
  assert.deepEqual(online, { presence: [changes[0]] });
  assert.deepEqual(changes[0], { userId: ivy.id, status: "online", lastSeenAt: null });
  phone.disconnect();
  await drained(watcher);
  const since = performance.now();
  laptop.disconnect();
  const offline = await next(watcher, "presence-updated", { bound: 20_000 });
  const elapsed = performance.now() - since;
  assert.ok(elapsed > 9500, `${elapsed} ms`);
  assertPart(offline, { userId: ivy.id, status: "offline" });
  assertTime(offline.lastSeenAt);
  assert.equal(changes.length, 2, "only of her whom one may see, and only of the last socket");
  // Through the queue of changes, behind when she was last seen.
  await hal.ok("POST", "/api/notifications/read", { ids: [] });
  assert.deepEqual(await call(watcher, "unsubscribe-presence", { userIds: [ivy.id, joe.id] }), { presence: [offline] });
  await ivy.connect(t, WEBSOCKET);
  await drained(watcher);
  assert.equal(changes.length, 2);
  const many = Array.from({ length: 101 }, (_, i) => `p${i}`);
  for (const userIds of [undefined, null, "x", {}, [{}], many]) {
    for (const event of ["subscribe-presence", "unsubscribe-presence"]) await refused(watcher, "validation-failed", event, { userIds }, "userIds");
  }
});

test("whoever is removed hears nothing that was committed after the removal was acknowledged", async (t) => {
  const chat = await ann.group("Out", ben, cem);
  const [, , c] = await inRoom(t, WEBSOCKET, chat, ann, ben, cem);
  const heard = [];
  c.onAny((name, payload) => heard.push([name, payload]));
  const flood = Promise.all(Array.from({ length: 60 }, (_, i) => send(ben, chat, `m${i}`)));
  await ann.ok("DELETE", participant(chat, cem));
  const { rev } = await ann.ok("GET", at(chat));
  await flood;
  await send(ann, chat, "after");
  await drained(c);
  const late = heard.filter(([name, payload]) => name !== "notification" && payload.chatId === chat.id && (payload.rev ?? 0) > rev);
  assert.deepEqual(late, []);
  assert.ok(!JSON.stringify(heard).includes('"after"'));
});
