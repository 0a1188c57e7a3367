// Section 4 of the contract over plain HTTP: chats, messages, members and who may do what.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Parlance } from "../support/parlance.js";
import { assertChat, assertFailure, assertMessage, assertParticipant, assertPart } from "../support/shapes.js";

const NOT_A_PARTICIPANT = "Chat not found, or you are not a participant in it";

let app;
before(async () => {
  app = await Parlance.start();
});
after(() => app.stop());

const members = (chat) => Object.fromEntries(chat.participants.map(({ userId, role }) => [userId, role]));
const messagesOf = (person, chat, query = "") => person.ok("GET", `/api/chats/${chat.id}/messages${query}`);
const send = (person, chat, content, extra = {}, status = 201) =>
  person.ok("POST", `/api/chats/${chat.id}/messages`, { content, ...extra }, status);

describe("a direct chat", () => {
  test("is made once for a pair, whoever asks", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.ok("POST", "/api/chats", { participantIds: [ben.id] }, 201);
    assertChat(chat, { name: null, isGroup: false, createdBy: ann.id });
    assert.deepEqual(members(chat), { [ann.id]: "member", [ben.id]: "member" });
    const again = await ann.ok("POST", "/api/chats", { participantIds: [ben.id] }, 200);
    const other = await ben.ok("POST", "/api/chats", { participantIds: [ann.id], isGroup: false }, 200);
    assert.deepEqual([again.id, other.id], [chat.id, chat.id]);
  });

  test("is made once when both ask at the same time", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chats = await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? ann.direct(ben) : ben.direct(ann))));
    assert.equal(new Set(chats.map(({ id }) => id)).size, 1);
  });

  test("may start with a message", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben, { initialMessage: "Hello Ben" });
    assertMessage(chat.lastMessage, { content: "Hello Ben", senderId: ann.id, seq: chat.lastSeq });
    assertPart(await ben.ok("GET", `/api/chats/${chat.id}`), { unreadCount: 1, readSeq: 0 });
    assertPart(await ann.ok("GET", `/api/chats/${chat.id}`), { unreadCount: 0, readSeq: chat.lastSeq });
  });

  test("has exactly one other person in it", async () => {
    const [ann, ben, cem] = await app.people("Ann", "Ben", "Cem");
    for (const participantIds of [[], [ann.id], [ben.id, cem.id]]) {
      await ann.refused(400, "validation-failed", "POST", "/api/chats", { participantIds }, "participantIds");
    }
  });

  test("takes no further participants, and cannot be left", async () => {
    const [ann, ben, cem] = await app.people("Ann", "Ben", "Cem");
    const chat = await ann.direct(ben);
    await ann.refused(400, "validation-failed", "POST", `/api/chats/${chat.id}/participants`, { userId: cem.id });
    await ann.refused(400, "validation-failed", "DELETE", `/api/chats/${chat.id}/participants/${ben.id}`);
    await ann.refused(400, "validation-failed", "POST", `/api/chats/${chat.id}/leave`);
  });
});

describe("a group", () => {
  test("belongs to its maker, in camelCase and in snake_case", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const camel = { name: "  Chess club ", isGroup: true, participantIds: [ben.id], initialMessage: "Welcome" };
    const snake = { name: "Chess club", is_group: true, participant_ids: [ben.id], initial_message: "Welcome" };
    for (const body of [camel, snake]) {
      const chat = await ann.ok("POST", "/api/chats", body, 201);
      assertChat(chat, { name: "Chess club", isGroup: true, createdBy: ann.id });
      assert.deepEqual(members(chat), { [ann.id]: "owner", [ben.id]: "member" });
      assert.equal(chat.lastMessage.content, "Welcome");
    }
  });

  test("needs a name", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    for (const name of [undefined, null, "", "   ", "x".repeat(101), 7, "bell\u0007"]) {
      await ann.refused(400, "validation-failed", "POST", "/api/chats", { name, isGroup: true, participantIds: [ben.id] }, "name");
    }
  });

  test("is not made when somebody in it is unknown", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    for (const stranger of ["nobody", 4711, "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000"]) {
      const body = { name: "Nothing", isGroup: true, participantIds: [ben.id, stranger] };
      await ann.refused(400, "validation-failed", "POST", "/api/chats", body, "participantIds");
    }
    assert.deepEqual((await ann.ok("GET", "/api/chats")).chats, []);
    assert.deepEqual((await ben.ok("GET", "/api/chats")).chats, []);
  });

  test("names each person once, the maker too", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const body = { name: "Twice", isGroup: true, participantIds: [ben.id, ben.id, ann.id] };
    const chat = await ann.ok("POST", "/api/chats", body, 201);
    assert.deepEqual(members(chat), { [ann.id]: "owner", [ben.id]: "member" });
  });

  test("takes a new participant, who then reads it", async () => {
    const [ann, ben, cem] = await app.people("Ann", "Ben", "Cem");
    const chat = await ann.group("Growing", ben);
    for (const body of [{ userId: cem.id }, { user_id: (await app.person("Dee")).id }]) {
      const participant = await ben.ok("POST", `/api/chats/${chat.id}/participants`, body);
      assertParticipant(participant);
      assertPart(participant, { role: "member", userId: body.userId ?? body.user_id });
    }
    await ann.refused(409, "conflict", "POST", `/api/chats/${chat.id}/participants`, { userId: cem.id });
    await ann.refused(400, "validation-failed", "POST", `/api/chats/${chat.id}/participants`, { userId: "nobody" }, "userId");
    const { messages } = await messagesOf(cem, chat);
    const { system, content } = messages.find((message) => message.system?.params.userId === cem.id);
    assert.deepEqual(system, {
      kind: "participant-added",
      params: { userId: cem.id, name: "Cem", byId: ben.id, byName: "Ben" },
    });
    assert.match(content, /Cem/);
  });

  test("lets owner and admin remove, and no member", async () => {
    const [ann, ben, cem] = await app.people("Ann", "Ben", "Cem");
    const admin = await app.createUser("Root", "admin");
    const chat = await ann.group("Shrinking", ben, cem);
    const removing = (person) => ["DELETE", `/api/chats/${chat.id}/participants/${person.id}`];
    await ben.refused(403, "forbidden", ...removing(cem));
    await ben.refused(403, "forbidden", ...removing(ann));
    assert.deepEqual(await ann.ok(...removing(cem)), {});
    await cem.refused(404, "not-found", "GET", `/api/chats/${chat.id}`);
    await ann.refused(404, "not-found", ...removing(cem));
    assert.deepEqual(await admin.ok(...removing(ben)), {});
    assert.deepEqual(members(await ann.ok("GET", `/api/chats/${chat.id}`)), { [ann.id]: "owner" });
    const { messages } = await messagesOf(ann, chat);
    const kinds = messages.map(({ system }) => system?.kind).filter(Boolean);
    assert.deepEqual(kinds.slice(-2), ["participant-removed", "participant-removed"]);
  });

  test("an admin alone removes the owner, and somebody else takes over", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const admin = await app.createUser("Root", "admin");
    const chat = await ann.group("Headless", ben);
    await admin.ok("DELETE", `/api/chats/${chat.id}/participants/${ann.id}`);
    assert.deepEqual(members(await ben.ok("GET", `/api/chats/${chat.id}`)), { [ben.id]: "owner" });
  });

  test("is handed over when its owner leaves, and is gone with the last one", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.group("Passing on", ben);
    assert.deepEqual(await ann.ok("POST", `/api/chats/${chat.id}/leave`), {});
    await ann.refused(404, "not-found", "POST", `/api/chats/${chat.id}/leave`);
    assert.deepEqual(members(await ben.ok("GET", `/api/chats/${chat.id}`)), { [ben.id]: "owner" });
    const { messages } = await messagesOf(ben, chat);
    assert.ok(messages.some(({ system }) => system?.kind === "participant-left" && system.params.userId === ann.id));
    await ben.ok("POST", `/api/chats/${chat.id}/leave`);
    await ben.refused(404, "not-found", "GET", `/api/chats/${chat.id}`);
    const admin = await app.createUser("Root", "admin");
    await admin.refused(404, "not-found", "GET", `/api/chats/${chat.id}`);
  });

  test("removing oneself is leaving", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.group("Own way out", ben);
    assert.deepEqual(await ben.ok("DELETE", `/api/chats/${chat.id}/participants/${ben.id}`), {});
    const { messages } = await messagesOf(ann, chat);
    assert.equal(messages.at(-1).system.kind, "participant-left");
  });
});

describe("the list of chats", () => {
  test("has the newest activity first, and pages by cursor", async () => {
    const [ann, ...others] = await app.people("Ann", "Ben", "Cem", "Dee");
    const chats = [];
    for (const other of others) chats.push(await ann.direct(other, { initialMessage: "hi" }));
    await send(others[0], chats[0], "newest");
    const expected = [chats[0], chats[2], chats[1]].map(({ id }) => id);
    const whole = await ann.ok("GET", "/api/chats");
    assert.deepEqual(Object.keys(whole).sort(), ["chats", "nextCursor"]);
    whole.chats.forEach((chat) => assertChat(chat));
    assert.deepEqual(whole.chats.map(({ id }) => id), expected);
    assert.equal(whole.nextCursor, null);
    const paged = [];
    let cursor = "";
    while (cursor !== null) {
      const page = await ann.ok("GET", `/api/chats?limit=1${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      assert.ok(page.chats.length <= 1);
      paged.push(...page.chats.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    assert.deepEqual(paged, expected);
  });

  for (const query of ["?limit=0", "?limit=101", "?limit=-1", "?limit=abc", "?limit=1.5"]) {
    test(`refuses ${query}`, async () => {
      const ann = await app.person("Ann");
      await ann.refused(400, "validation-failed", "GET", `/api/chats${query}`, undefined, "limit");
    });
  }

  test("refuses a cursor that it did not give", async () => {
    const ann = await app.person("Ann");
    await ann.refused(400, "validation-failed", "GET", "/api/chats?cursor=nonsense", undefined, "cursor");
  });
});

describe("messages", () => {
  test("are numbered 1, 2, 3 and come back in every direction", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    for (let i = 1; i <= 7; i += 1) {
      const message = await send(i % 2 ? ann : ben, chat, `message ${i}`);
      assertMessage(message, { chatId: chat.id, content: `message ${i}`, seq: i, type: "text", editedAt: null, deletedAt: null });
      assert.deepEqual([message.mentions, message.reactions], [[], {}]);
    }
    const page = async (query) => {
      const data = await messagesOf(ann, chat, query);
      assert.deepEqual(Object.keys(data).sort(), ["hasMoreAfter", "hasMoreBefore", "lastSeq", "messages", "rev"]);
      assert.equal(data.lastSeq, 7);
      data.messages.forEach((message) => assertMessage(message));
      return [data.messages.map(({ seq }) => seq), data.hasMoreBefore, data.hasMoreAfter];
    };
    assert.deepEqual(await page(""), [[1, 2, 3, 4, 5, 6, 7], false, false]);
    assert.deepEqual(await page("?limit=3"), [[5, 6, 7], true, false]);
    assert.deepEqual(await page("?before=5&limit=3"), [[2, 3, 4], true, true]);
    assert.deepEqual(await page("?before=3&limit=5"), [[1, 2], false, true]);
    assert.deepEqual(await page("?after=5&limit=5"), [[6, 7], true, false]);
    assert.deepEqual(await page("?after=2&limit=2"), [[3, 4], true, true]);
    assert.deepEqual(await page("?after=7"), [[], true, false]);
    const [around] = await page("?around=4&limit=3");
    assert.deepEqual(around, [3, 4, 5]);
  });

  for (const query of ["?limit=0", "?limit=101", "?before=x", "?after=-1", "?before=3&after=1", "?around=1&before=2"]) {
    test(`refuse ${query}`, async () => {
      const [ann, ben] = await app.people("Ann", "Ben");
      const chat = await ann.direct(ben);
      await ann.refused(400, "validation-failed", "GET", `/api/chats/${chat.id}/messages${query}`);
    });
  }

  test("are stored as they were written", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const contents = ["  blanks kept  ", "<b>&amp;</b>", "a\n\tb", "😀".repeat(4000), "line\u2028separator", "'; DROP TABLE messages; --", "e\u0301"];
    for (const content of contents) assertMessage(await send(ann, chat, content), { content });
    assert.deepEqual((await messagesOf(ben, chat)).messages.map(({ content }) => content), contents);
  });

  test("a cut emoji is mended", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    for (const content of ["cut \ud83d", "\ude00 cut", "a\ud83db"]) {
      assertMessage(await send(ann, chat, content), { content: content.toWellFormed() });
    }
  });

  for (const [what, content] of [
    ["nothing", undefined],
    ["null", null],
    ["a number", 5],
    ["a list", ["x"]],
    ["an empty text", ""],
    ["white space", " \n\t "],
    ["4001 characters", "x".repeat(4001)],
    ["a control character", "a\u0000b"],
    ["an escape", "\u001b[31m"],
  ]) {
    test(`${what} is no content`, async () => {
      const [ann, ben] = await app.people("Ann", "Ben");
      const chat = await ann.direct(ben);
      await ann.refused(400, "validation-failed", "POST", `/api/chats/${chat.id}/messages`, { content }, "content");
      assert.equal((await messagesOf(ann, chat)).lastSeq, 0);
    });
  }

  test("one clientMsgId makes one message", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const [chat, elsewhere] = [await ann.direct(ben), await ann.group("Elsewhere", ben)];
    const clientMsgId = "phone:1_a.B-9";
    const first = await send(ann, chat, "once", { clientMsgId });
    assertMessage(first, { clientMsgId });
    assert.deepEqual(await send(ann, chat, "once", { clientMsgId }, 200), first);
    const route = `/api/chats/${chat.id}/messages`;
    await ann.refused(409, "idempotency-mismatch", "POST", route, { content: "twice", clientMsgId });
    assert.notEqual((await send(ben, chat, "once", { clientMsgId })).id, first.id, "another sender has ids of his own");
    assert.notEqual((await send(ann, elsewhere, "once", { clientMsgId })).id, first.id, "another chat too");
    assert.equal((await messagesOf(ann, chat)).lastSeq, 2);
  });

  test("thirty sends of one clientMsgId at once make one message", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const all = Array.from({ length: 30 }, () => send(ann, chat, "once", { clientMsgId: "same" }, [200, 201]));
    const messages = await Promise.all(all);
    assert.equal(new Set(messages.map(({ id }) => id)).size, 1);
    assert.equal((await messagesOf(ann, chat)).lastSeq, 1);
  });

  test("sixty sends at once have sixty numbers in a row", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const sent = await Promise.all(Array.from({ length: 60 }, (_, i) => send(i % 2 ? ann : ben, chat, `m${i}`)));
    const seqs = sent.map(({ seq }) => seq).sort((a, b) => a - b);
    assert.deepEqual(seqs, Array.from({ length: 60 }, (_, i) => i + 1));
    const revs = sent.map(({ rev }) => rev);
    assert.equal(new Set(revs).size, 60);
  });

  for (const clientMsgId of ["", "x".repeat(65), "a b", "ä", 5, {}]) {
    test(`${JSON.stringify(clientMsgId).slice(0, 12)} is no clientMsgId`, async () => {
      const [ann, ben] = await app.people("Ann", "Ben");
      const chat = await ann.direct(ben);
      const body = { content: "x", clientMsgId };
      await ann.refused(400, "validation-failed", "POST", `/api/chats/${chat.id}/messages`, body, "clientMsgId");
    });
  }

  test("a send raises the sender's own read position and the others' count", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    await send(ann, chat, "one");
    await send(ann, chat, "two");
    assertPart(await ann.ok("GET", `/api/chats/${chat.id}`), { readSeq: 2, unreadCount: 0 });
    assertPart(await ben.ok("GET", `/api/chats/${chat.id}`), { readSeq: 0, unreadCount: 2 });
  });
});

describe("who may", () => {
  test("a stranger finds nothing of a chat", async () => {
    const [ann, ben, eve] = await app.people("Ann", "Ben", "Eve");
    const chat = await ann.group("Private", ben);
    for (const [method, route, body] of [
      ["GET", "", undefined],
      ["GET", "/messages", undefined],
      ["POST", "/messages", { content: "let me in" }],
      ["POST", "/participants", { userId: eve.id }],
      ["DELETE", `/participants/${ben.id}`, undefined],
      ["DELETE", `/participants/${eve.id}`, undefined],
      ["POST", "/leave", undefined],
    ]) {
      const failure = await eve.refused(404, "not-found", method, `/api/chats/${chat.id}${route}`, body);
      assert.equal(failure.message, NOT_A_PARTICIPANT, `${method} ${route}`);
    }
    assert.deepEqual((await eve.ok("GET", "/api/chats")).chats, []);
  });

  test("an admin reads any chat, and does no more than the contract gives", async () => {
    const [ann, ben, cem] = await app.people("Ann", "Ben", "Cem");
    const admin = await app.createUser("Root", "admin");
    const chat = await ann.group("Watched", ben);
    assertChat(await admin.ok("GET", `/api/chats/${chat.id}`), { id: chat.id });
    assert.ok(Array.isArray((await messagesOf(admin, chat)).messages));
    assertParticipant(await admin.ok("POST", `/api/chats/${chat.id}/participants`, { userId: cem.id }));
    await admin.refused(403, "forbidden", "POST", `/api/chats/${chat.id}/messages`, { content: "as admin" });
    await admin.refused(403, "forbidden", "POST", `/api/chats/${chat.id}/leave`);
  });

  test("a tutor is nobody special in a chat of others", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const tutor = await app.createUser("Tutor", "tutor");
    const chat = await ann.group("Lessons", ben);
    await tutor.refused(404, "not-found", "GET", `/api/chats/${chat.id}`);
  });
});
