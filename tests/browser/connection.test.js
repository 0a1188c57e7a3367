// What the page does when the line is cut, slow, or says something unusual. The test sits between page and server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { App, say } from "./support/app.js";
import { DESKTOP, launch, openPage } from "./support/browser.js";
import { Person } from "./support/person.js";

let app;
let browser;

before(async () => {
  [app, browser] = await Promise.all([App.start(), launch()]);
});

after(async () => {
  await browser?.close();
  await app?.stop();
});

/** A page whose messages pass through `line`: `sent` is what the page said, `rewrite` and `rewriteSent` change what passes. */
async function throughLine(account, line, server = app) {
  const page = await openPage(browser, `${server.url}/healthz`, DESKTOP);
  line.sent = [];
  await page.routeWebSocket(/socket\.io/, (socket) => {
    const upstream = socket.connectToServer();
    line.cut = () => socket.close();
    line.toPage = (text) => socket.send(text);
    upstream.onMessage((text) => socket.send(line.rewrite?.(text) ?? text));
    socket.onMessage((text) => {
      line.sent.push(text);
      upstream.send(line.rewriteSent?.(text) ?? text);
    });
  });
  await page.goto(`${server.url}/chat-example.html?transports=websocket`);
  page.problems.length = 0;
  const person = new Person(page);
  await person.login(account.email);
  return person;
}

async function pair(one, other) {
  const [first, second] = [await app.register(one), await app.register(other)];
  const chat = await first.call("POST", "/api/chats", { participantIds: [second.id], initialMessage: "The first" });
  return { first, second, chat };
}

/** Waits until the page has sent something that matches. */
async function hasSent(person, line, pattern) {
  const aFrame = () => person.page.evaluate(() => new Promise(requestAnimationFrame));
  while (!line.sent.some((text) => pattern.test(String(text)))) await aFrame();
}

test("a cut line is told, and everything that was missed comes, in order and once", async () => {
  const { first, second, chat } = await pair("Gil Gray", "Hana Hill");
  const line = {};
  const person = await throughLine(second, line);
  await person.open("Gil Gray");
  await person.sees("The first");
  const missed = await say(first, chat, "To be changed");
  await person.sees("To be changed");
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  await person.page.route("**/api/chats?**", async (route) => { await released; await route.continue(); });
  await line.cut();
  await person.page.locator("#connection").filter({ hasText: "Reconnecting" }).waitFor();
  for (let number = 1; number <= 60; number += 1) await say(first, chat, `Missed ${number}`);
  await first.call("PATCH", `/api/chats/${chat.id}/messages/${missed.id}`, { content: "Changed meanwhile" });
  release();
  await person.sees("Missed 60");
  await person.sees("Changed meanwhile");
  const wanted = ["The first", "Changed meanwhile", ...Array.from({ length: 60 }, (_, index) => `Missed ${index + 1}`)];
  assert.deepEqual(await person.texts(), wanted);
  await person.page.locator("#connection").waitFor({ state: "hidden" });
  assert.ok(line.sent.some((text) => /"join-chat",\{"chatId":"[^"]+","rev":\d+/.test(text)));
  person.isFine();
  await person.page.context().close();
});

test("when the server cannot say what was missed, the history is loaded anew", async () => {
  const { first, second, chat } = await pair("Ines Ivy", "Jon Jay");
  const line = {};
  const person = await throughLine(second, line);
  await person.open("Ines Ivy");
  await person.sees("The first");
  line.rewriteSent = (text) => String(text).replace(/("join-chat",\{"chatId":"[^"]+","rev":)\d+/, "$1999999");
  await say(first, chat, "The second");
  await person.sees("The second");
  const anew = person.page.waitForResponse(/\/messages\?/);
  line.toPage(`42["sync-required",{"chatId":"${chat.id}","rev":9}]`);
  await anew;
  line.rewriteSent = null;
  await say(first, chat, "The third");
  await person.sees("The third");
  assert.deepEqual(await person.texts(), ["The first", "The second", "The third"]);
  person.isFine();
  await person.page.context().close();
});

test("a token that runs out is replaced on the open connection", async () => {
  const { first, second, chat } = await pair("Kit Knox", "Lou Lane");
  const line = {};
  const person = await throughLine(second, line);
  await person.open("Kit Knox");
  line.toPage(`42["token-expiring",{"expiresAt":"${new Date().toISOString()}"}]`);
  await hasSent(person, line, /"refresh-token",\{"token":"/);
  await say(first, chat, "Still together");
  await person.sees("Still together");
  person.isFine();
  await person.page.context().close();
});

test("after the edit window there is no Edit", async () => {
  const { second } = await pair("Moa Moss", "Nils North");
  const line = { rewrite: (text) => String(text).replace(/"editWindowMs":\d+/, '"editWindowMs":0') };
  const person = await throughLine(second, line);
  await person.open("Moa Moss");
  await person.say("Mine");
  await person.hasCome("Mine", "Sent");
  await person.choose("Mine");
  await person.page.getByRole("menuitem", { name: "Delete" }).waitFor();
  assert.equal(await person.page.getByRole("menuitem", { name: "Edit" }).count(), 0);
  person.isFine();
  await person.page.context().close();
});

test("what is refused can be sent again or given up; what is too fast is sent a little later", async () => {
  const { second } = await pair("Ola Oak", "Pim Pine");
  const line = {};
  const person = await throughLine(second, line);
  await person.open("Ola Oak");
  const answers = [
    { success: false, message: "`content` is not wanted today", error: { code: "validation-failed", field: "content", retryable: false } },
    { success: false, message: "Too many", error: { code: "rate-limited", retryable: true, retryAfterMs: 200 } },
  ];
  line.rewriteSent = (text) => {
    const id = String(text).match(/^42(\d+)\["send-message"/)?.[1];
    if (!id || !answers.length) return text;
    line.toPage(`43${id}[${JSON.stringify(answers.shift())}]`);
    return "3"; // a pong instead: the server never hears of it
  };
  await person.say("Stubborn");
  await person.page.getByText("Not sent. The message is not wanted today").waitFor();
  await person.page.getByRole("button", { name: "Try again" }).click();
  await person.hasCome("Stubborn", "Sent");
  assert.deepEqual(await person.texts(), ["The first", "Stubborn"]);
  person.isFine();
  await person.page.context().close();
});
