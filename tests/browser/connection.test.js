// What the page does when the line is cut, slow, or says something unusual.
import assert from "node:assert/strict";
import { test } from "node:test";
import { say } from "./support/app.js";
import { hasSent, throughLine } from "./support/line.js";
import { app, done, setUp } from "./support/stage.js";

setUp();

test("a cut line is told, and everything that was missed comes, in order and once", async () => {
  const { first, second, chat } = await app.pair("Gil Gray", "Hana Hill");
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
  await done(person);
});

test("when the server cannot say what was missed, the history is loaded anew", async () => {
  const { first, second, chat } = await app.pair("Ines Ivy", "Jon Jay");
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
  await done(person);
});

test("a token that runs out is replaced on the open connection", async () => {
  const { first, second, chat } = await app.pair("Kit Knox", "Lou Lane");
  const line = {};
  const person = await throughLine(second, line);
  await person.open("Kit Knox");
  line.toPage(`42["token-expiring",{"expiresAt":"${new Date().toISOString()}"}]`);
  await hasSent(person, line, /"refresh-token",\{"token":"/);
  await say(first, chat, "Still together");
  await person.sees("Still together");
  await done(person);
});

test("after the edit window there is no Edit", async () => {
  const { second } = await app.pair("Moa Moss", "Nils North");
  const line = { rewrite: (text) => String(text).replace(/"editWindowMs":\d+/, '"editWindowMs":0') };
  const person = await throughLine(second, line);
  await person.open("Moa Moss");
  await person.say("Mine");
  await person.hasCome("Mine", "Sent");
  await person.choose("Mine");
  await person.page.getByRole("menuitem", { name: "Delete" }).waitFor();
  assert.equal(await person.page.getByRole("menuitem", { name: "Edit" }).count(), 0);
  await done(person);
});

test("what is refused can be sent again or given up; what is too fast is sent a little later", async () => {
  const { second } = await app.pair("Ola Oak", "Pim Pine");
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
  await done(person);
});

test("what was not sent survives a new load of the page, and goes out once", async () => {
  const { first, second, chat } = await app.pair("Rio Reed", "Sol Sand");
  const line = {};
  const person = await throughLine(second, line);
  await person.open("Rio Reed");
  line.rewriteSent = (text) => (/"send-message"/.test(text) ? "3" : text); // the server never hears of it
  await person.say("Not lost");
  await hasSent(person, line, /"send-message"/);
  await person.message("Not lost").getByRole("img", { name: "Sending" }).waitFor();
  line.rewriteSent = null;
  await person.page.reload();
  await person.hasCome("Not lost", "Sent");
  assert.deepEqual(await person.texts(), ["The first", "Not lost"]);
  const { messages } = await first.call("GET", `/api/chats/${chat.id}/messages`);
  assert.equal(messages.length, 2);
  await done(person);
});

test("who is too fast is told for how long", async () => {
  const { second } = await app.pair("Tao Thorn", "Uma Urn");
  const line = {};
  const person = await throughLine(second, line);
  await person.open("Tao Thorn");
  await person.sees("The first");
  line.rewriteSent = (text) => {
    const id = String(text).match(/^42(\d+)\["(?:send-message|add-reaction)"/)?.[1];
    if (!id) return text;
    line.toPage(`43${id}[${JSON.stringify({ success: false, message: "Too many", error: { code: "rate-limited", retryable: true, retryAfterMs: 2_500 } })}]`);
    return "3";
  };
  await person.choose("The first");
  await person.page.getByRole("button", { name: "React with 👍" }).click();
  await person.isTold("That was a little fast. Try again in 3 seconds.");
  await person.say("Quick");
  await person.page.locator("#typing").filter({ hasText: "Sending goes on in 3 seconds." }).waitFor();
  line.rewriteSent = null;
  await person.hasCome("Quick", "Sent");
  await done(person);
});

test("what was read while there was no line is told when there is one", async () => {
  const { first, second, chat } = await app.pair("Val Vine", "Wyn Wood");
  const line = {};
  const person = await throughLine(second, line);
  await person.row("Val Vine").getByLabel("1 unread").waitFor();
  line.isDown = true;
  await line.cut();
  await person.page.locator("#connection").filter({ hasText: "Reconnecting" }).waitFor();
  await person.open("Val Vine");
  await person.sees("The first");
  await person.row("Val Vine").getByLabel("unread").waitFor({ state: "detached" });
  line.isDown = false;
  await hasSent(person, line, /"mark-read",\{"chatId":"[^"]+","seq":1\}/);
  await person.page.locator("#connection").waitFor({ state: "hidden" });
  assert.equal(await person.row("Val Vine").getByLabel("unread").count(), 0);
  await say(first, chat, "The second");
  await person.sees("The second");
  await done(person);
});
