// What is written: very much of it, very long, and in every direction.
import assert from "node:assert/strict";
import { test } from "node:test";
import { say } from "./support/app.js";
import { PHONE } from "./support/browser.js";
import { app, done, setUp, visit } from "./support/stage.js";

setUp();

const MAX_WINDOW = 300; // store.js

test("a message over the limit is kept, counted and not sent; one at the limit is", async () => {
  const [ann, bob] = [await app.register("Ann Arrow"), await app.register("Bob Bow")];
  await ann.call("POST", "/api/chats", { participantIds: [bob.id] });
  const person = await visit(ann, PHONE);
  const { page } = person;
  await person.open("Bob Bow");
  await person.draft.fill("x".repeat(10_000));
  await page.getByText("6000 too many").waitFor();
  assert.ok(await page.getByRole("button", { name: "Send", exact: true }).isDisabled());
  const longest = "🎈".repeat(4_000);
  await person.draft.fill(longest);
  await page.getByText("0 left").waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await person.hasCome("🎈", "Sent");
  assert.deepEqual(await person.texts(), [longest]);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is wider than the page");
  await done(person);
});

test("a draft that grows does not cover the newest message", async () => {
  const { second } = await app.pair("Gil Gate", "Hob Hill");
  const person = await visit(second, PHONE);
  const { page } = person;
  await person.open("Gil Gate");
  for (let number = 1; number < 15; number += 1) await person.draft.fill(`Line ${number}`).then(() => page.getByRole("button", { name: "Send", exact: true }).click());
  await person.hasCome("Line 14", "Sent");
  const gap = () => page.locator("#scroller").evaluate((node) => node.scrollHeight - node.scrollTop - node.clientHeight);
  const height = () => page.locator("#scroller").evaluate((node) => node.clientHeight);
  const before = await height();
  await person.draft.fill("a\nb\nc\nd\ne");
  await page.waitForFunction((most) => document.querySelector("#scroller").clientHeight < most, before);
  await page.evaluate(() => new Promise(requestAnimationFrame));
  assert.ok((await gap()) < 2);
  await done(person);
});

test("each message runs in its own direction", async () => {
  const [cat, dov] = [await app.register("Cat Cloud"), await app.register("דב דוב")];
  const chat = await cat.call("POST", "/api/chats", { participantIds: [dov.id] });
  await say(dov, chat, "שלום, מה שלומך?");
  await say(dov, chat, "Left to right");
  const person = await visit(cat);
  await person.open("דב דוב");
  await person.sees("Left to right");
  const direction = (text) => person.message(text).locator(".words").evaluate((node) => getComputedStyle(node).direction);
  assert.equal(await direction("שלום"), "rtl");
  assert.equal(await direction("Left"), "ltr");
  await done(person);
});

test("of a long history only a window is kept, which goes along without holes, up and down", async () => {
  const [eli, flo] = [await app.register("Eli Eel"), await app.register("Flo Flint")];
  const chat = await eli.call("POST", "/api/chats", { participantIds: [flo.id] });
  const last = 400;
  for (let number = 1; number < last; number += 1) await say(eli, chat, `Message ${number}.`);
  await say(flo, chat, `Message ${last}.`);
  const person = await visit(flo);
  const { page } = person;
  await person.open("Eli Eel");
  await person.sees(`Message ${last}.`);
  const numbers = async () => (await person.texts()).map((text) => Number(text.match(/\d+/)[0]));
  const isWhole = async () => {
    const seen = await numbers();
    assert.ok(seen.length <= MAX_WINDOW + 50, `${seen.length} messages`);
    assert.deepEqual(seen, seen.map((_, index) => seen[0] + index));
  };
  /** Goes to one end; when more has come there, what was in sight has stayed there. */
  const goOn = (end) => page.locator("#scroller").evaluate(async (scroller, up) => {
    const rows = () => [...document.querySelectorAll("#messages .message")];
    const edge = () => (up ? rows().at(0) : rows().at(-1)).textContent;
    scroller.scrollTop = up ? 0 : scroller.scrollHeight;
    const before = edge();
    const inSight = (up ? rows().at(0) : rows().at(-1)).dataset.seq;
    while (edge() === before) await new Promise(requestAnimationFrame);
    const box = document.querySelector(`[data-seq="${inSight}"]`).getBoundingClientRect();
    const frame = scroller.getBoundingClientRect();
    return box.bottom > frame.top && box.top < frame.bottom;
  }, end === "up");
  while ((await numbers())[0] > 1) {
    assert.ok(await goOn("up"));
    await isWhole();
  }
  await page.getByText("The beginning of this chat").waitFor();
  await page.waitForFunction((most) => document.querySelectorAll("#messages .message").length <= most, MAX_WINDOW);
  while ((await numbers()).at(-1) < last) {
    assert.ok(await goOn("down"));
    await isWhole();
  }
  await say(eli, chat, `Message ${last + 1}.`);
  await person.sees(`Message ${last + 1}.`);
  await isWhole();
  await done(person);
});

test("a quote leads to its message, however far back, and from there one reads on", async () => {
  const { first, second, chat } = await app.pair("Ida Ink", "Jan Jet");
  const { messages } = await first.call("GET", `/api/chats/${chat.id}/messages`);
  for (let number = 2; number < 380; number += 1) await say(first, chat, `Message ${number}.`);
  await second.call("POST", `/api/chats/${chat.id}/messages`, { content: "The answer", replyTo: messages[0].id });
  const person = await visit(second);
  const { page } = person;
  await person.open("Ida Ink");
  await person.message("The answer").getByRole("button", { name: "Earlier message" }).click();
  await page.locator("#messages .flash").filter({ hasText: "The first" }).waitFor();
  await page.waitForFunction(() => document.activeElement?.textContent.includes("The first"));
  await page.getByRole("button", { name: "Go to the newest messages" }).click();
  await person.sees("The answer");
  const gap = () => page.locator("#scroller").evaluate((node) => node.scrollHeight - node.scrollTop - node.clientHeight);
  await page.waitForFunction((most) => document.querySelectorAll("#messages .message").length <= most, MAX_WINDOW);
  assert.ok((await gap()) < 60);
  await done(person);
});
