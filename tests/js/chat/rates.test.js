// The default rates of section 9 of the contract, over plain HTTP and the official client.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ask } from "../support/client.js";
import { MODES } from "../support/modes.js";
import { Parlance, uniqueEmail } from "../support/parlance.js";
import { assertFailure } from "../support/shapes.js";
import { test as timed } from "../support/undisturbed.js";
import { deadline, next } from "../support/wait.js";

const WEBSOCKET = MODES[1];

let app;
let ann;
let ben;
let chat;
let message;
before(async () => {
  app = await Parlance.start({ rates: true });
  [ann, ben] = await app.people("Ann", "Ben");
  chat = await ann.group("Rates", ben);
  message = await ann.ok("POST", at("/messages"), { content: "first" }, 201);
});
after(() => app.stop());

const at = (rest = "") => `/api/chats/${chat.id}${rest}`;
const item = () => ({ chatId: chat.id, seq: 1 });
const reaction = () => ({ chatId: chat.id, messageId: message.id, emoji: "x" });

/** What counts as one kind of act: `[cost in ms, burst, the first act, another of the same kind]`. */
const KINDS = {
  sends: [200, 20, ["send-message", () => ({ chatId: chat.id, content: "x" })], ["POST", () => at("/messages"), { content: "x" }]],
  typing: [500, 5, ["typing", () => ({ chatId: chat.id, isTyping: true })], ["typing", () => ({ chatId: chat.id, isTyping: false })]],
  "joins and syncs": [100, 50, ["join-chat", () => chat.id], ["sync", () => ({ positions: { [chat.id]: 0 } })]],
  search: [500, 10, ["GET", () => "/api/users?search=nobody"], ["GET", () => "/api/users?search=an"]],
  "new chats": [6000, 20, ["POST", () => "/api/chats", { name: "G", isGroup: true, participantIds: [] }], ["POST", () => "/api/chats", { participantIds: [] }]],
  "reactions and receipts": [100, 50, ["add-reaction", reaction], ["mark-read", item]],
  "receipts and reactions": [100, 50, ["mark-delivered", () => ({ items: [item()] })], ["remove-reaction", reaction]],
};

const METHODS = ["GET", "POST", "PUT", "DELETE"];

/** `{failure, headers}` of one act; no failure when it passed. */
async function act(person, socket, [name, what, body]) {
  if (!METHODS.includes(name)) {
    const answer = await ask(socket, name, what());
    return { failure: answer.success ? undefined : answer };
  }
  const { status, headers, body: answer } = await person.request(name, what(), body);
  if (answer.error?.code === "rate-limited") assert.equal(status, 429);
  return { failure: answer.success ? undefined : answer, headers };
}

/** Acts beyond the burst that come with it at once: more than are earned in the time that they take. */
const SURPLUS = 10;

/** Those that are, and those that are not. */
const split = (all, is) => [all.filter((one) => is(one)), all.filter((one) => !is(one))];

const isLimited = ({ failure }) => failure?.error.code === "rate-limited";

for (const [kind, [cost, burst, first, other]] of Object.entries(KINDS)) {
  timed(`${kind} have a rate and a burst of their own for each person`, async (t) => {
    const person = await app.person(`P${burst}`);
    await ann.ok("POST", at("/participants"), { userId: person.id });
    const [socket, anns] = [await person.connect(t, WEBSOCKET), await ann.connect(t, WEBSOCKET)];
    const began = performance.now();
    const many = Array.from({ length: burst + SURPLUS }, () => act(person, socket, first));
    const [refusals, passes] = split(await Promise.all(many), isLimited);
    const earned = (performance.now() - began) / cost;
    const passed = passes.length;
    assert.ok(passed >= burst && passed <= burst + earned, `${passed} have passed, ${earned} earned`);
    const refusal = refusals.at(-1);
    assertFailure(refusal.failure, "rate-limited");
    const { retryable, retryAfterMs } = refusal.failure.error;
    assert.equal(retryable, true);
    assert.ok(Number.isInteger(retryAfterMs) && retryAfterMs >= 1 && retryAfterMs <= cost, `${retryAfterMs} ms`);
    if (refusal.headers) assert.equal(Number(refusal.headers.get("retry-after")), Math.ceil(retryAfterMs / 1000));
    // Without a callback it is the event error like any other failure.
    if (!METHODS.includes(first[0])) {
      const error = next(socket, "error");
      for (let i = 0; i < burst + SURPLUS; i += 1) socket.emit(first[0], first[1]());
      const { event, ...failure } = await error;
      assert.equal(event, first[0]);
      assertFailure(failure, "rate-limited");
    }
    assert.ok(!isLimited(await act(ann, anns, first)), "another person's are not counted with it");
    const again = await act(person, socket, other);
    if (!isLimited(again)) return;
    await deadline(performance.now() + again.failure.error.retryAfterMs + 2);
    assert.ok(!isLimited(await act(person, socket, other)), "whoever waits as long as told passes");
  });
}

test("a chat that exists already, or cannot be made, is no new chat", async () => {
  const person = await app.person("Opener");
  const statuses = new Set();
  for (let i = 0; i < 15; i += 1) {
    statuses.add((await person.request("POST", "/api/chats", { participantIds: [ann.id] })).status);
    statuses.add((await person.request("POST", "/api/chats", { participantIds: ["nobody"] })).status);
  }
  assert.deepEqual([...statuses], [201, 400, 200]);
});

describe("entries", () => {
  const login = (email, password) => app.request("POST", "/api/auth/login", { email, password });

  for (const [what, account] of [["a known account", () => app.person("Known")], ["an unknown one", () => ({ email: uniqueEmail("nobody") })]]) {
    timed(`five wrong passwords for ${what} are free, then it takes a second and twice as long each time`, async () => {
      const { email } = await account();
      for (let failure = 1; failure <= 5; failure += 1) {
        assert.equal((await login(email, "not the password")).status, 401, `failure ${failure}`);
      }
      const { status, headers, body } = await login(email, "not the password");
      assert.equal(status, 429);
      assertFailure(body, "rate-limited");
      const wait = body.error.retryAfterMs;
      assert.ok(wait >= 1 && wait <= 1000, `${wait} ms`);
      assert.equal(headers.get("retry-after"), "1");
      await deadline(performance.now() + wait + 2);
      const since = performance.now();
      assert.equal((await login(email, "not the password")).status, 401);
      const doubled = (await login(email, "not the password")).body.error.retryAfterMs;
      const elapsed = performance.now() - since;
      assert.ok(doubled <= 2000 && doubled + elapsed > 1900, `${doubled} ms after ${elapsed} ms`);
    });
  }
});

test("an address has a number of entries a minute for all accounts together", async (t) => {
  const small = await Parlance.start({ rates: true, options: ["--logins-per-address", "6"] });
  t.after(() => small.stop());
  const statuses = [];
  for (let i = 0; i < 7; i += 1) {
    const route = i % 2 ? "/api/auth/register" : "/api/auth/login";
    statuses.push((await small.request("POST", route, { name: "N", email: uniqueEmail(`p${i}`), password: "a long password" })).status);
  }
  assert.deepEqual(statuses, [401, 201, 401, 201, 401, 201, 429]);
});

test("switched off, nothing is refused for its rate, and the log says that it is off", async (t) => {
  const free = await Parlance.start();
  t.after(() => free.stop());
  assert.match(free.server.log, /rate.?limits.*off/i);
  const [hal, ivy] = await free.people("Hal", "Ivy");
  const { id } = await hal.direct(ivy);
  const socket = await hal.connect(t, WEBSOCKET);
  const many = Array.from({ length: 60 }, () => ask(socket, "typing", { chatId: id, isTyping: true }));
  const sends = Array.from({ length: 60 }, () => ask(socket, "send-message", { chatId: id, content: "x" }));
  for (const answer of await Promise.all([...many, ...sends])) assert.equal(answer.success, true, JSON.stringify(answer));
});
