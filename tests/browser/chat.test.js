// Two and more people at the page at once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { say } from "./support/app.js";
import { DESKTOP, openPage } from "./support/browser.js";
import { app, browser, done, setUp, visit } from "./support/stage.js";

setUp();

/** How the page of a person talks with the server. */
function watchTransports(page) {
  const seen = new Set();
  page.on("websocket", () => seen.add("websocket"));
  page.on("request", (request) => request.url().includes("transport=polling") && seen.add("polling"));
  return seen;
}

const MODES = [
  { query: "", transports: ["polling", "websocket"], people: ["Ann Able", "Ben Bold"] },
  { query: "?transports=polling", transports: ["polling"], people: ["Cleo Calm", "Dan Deep"] },
  { query: "?transports=websocket", transports: ["websocket"], people: ["Eve East", "Finn Fair"] },
];

for (const { query, transports, people: [one, other] } of MODES) {
  test(`two people register, find each other and chat over ${transports.join(" and ")}`, async () => {
    const [first, second] = [await visit(null, DESKTOP, query), await visit(null, DESKTOP, query)];
    const seen = watchTransports(first.page);
    await first.register(one);
    await second.register(other);

    await first.startChat(other);
    await second.isTold("started a chat with you");
    await second.open(one);

    await first.typesTo(second, one);
    await first.draft.fill("");
    await second.seesNobodyTyping();

    await first.say("Hello there");
    await second.sees("Hello there");
    await second.typesTo(first, other);
    await second.say("Hi yourself");
    await first.sees("Hi yourself");
    await first.seesNobodyTyping();
    assert.deepEqual(await first.texts(), ["Hello there", "Hi yourself"]);
    assert.deepEqual(await second.texts(), ["Hello there", "Hi yourself"]);
    assert.deepEqual([...seen].sort(), transports);

    await done(first, second);
  });
}

test("a group: made, grown, shrunk, left", async () => {
  const [gus, hal, ivy] = [await visit(), await visit(), await visit()];
  await gus.register("Gus Green");
  await hal.register("Hal Hood");
  await ivy.register("Ivy Iron");

  await gus.startGroup("Hiking", "Hal Hood", "Ivy Iron");
  await hal.isTold("added you");
  await hal.open("Hiking");
  await ivy.open("Hiking");
  await hal.say("Where to?");
  await gus.sees("Where to?");

  await gus.page.getByRole("button", { name: "People in this chat" }).click();
  await gus.change("Ivy Iron", "Remove from the group", "Really remove?");
  await ivy.isTold("removed you");
  await ivy.row("Hiking").waitFor({ state: "detached" });
  await ivy.page.getByText("Choose a chat, or start a new one.").waitFor();
  await hal.sees("removed Ivy Iron");

  await gus.page.getByRole("button", { name: "Add people" }).click();
  await gus.pick("Ivy Iron");
  await gus.page.getByRole("button", { name: "Add", exact: true }).click();
  await ivy.open("Hiking");

  await hal.page.getByRole("button", { name: "People in this chat" }).click();
  await hal.page.getByRole("button", { name: "Leave group" }).click();
  await hal.page.getByRole("button", { name: "Really leave?" }).click();
  await hal.row("Hiking").waitFor({ state: "detached" });
  await gus.sees("Hal Hood left");
  await done(gus, hal, ivy);
});

test("unread messages are counted in the list, told, and read when the chat is opened", async () => {
  const [jo, kim] = [await app.register("Jo Jolly"), await app.register("Kim Keen")];
  const chat = await jo.call("POST", "/api/chats", { participantIds: [kim.id] });
  const page = await visit(kim);
  await page.row("Jo Jolly").waitFor();
  await say(jo, chat, "One");
  await say(jo, chat, "Two");
  await page.isTold("Two");
  await page.row("Jo Jolly").getByLabel("2 unread").waitFor();
  await page.open("Jo Jolly");
  await page.page.locator("#messages .fresh").waitFor();
  await page.row("Jo Jolly").getByLabel("unread").waitFor({ state: "detached" });
  await page.page.reload();
  await page.isIn("Jo Jolly");
  // The mark may still have been on its way when the page was loaded anew.
  await page.row("Jo Jolly").getByLabel("unread").waitFor({ state: "detached" });
  await done(page);
});

test("text is text, whatever it looks like", async () => {
  const [lea, max] = [await app.register("Lea <b>Low</b>"), await app.register("Max Mild")];
  const chat = await lea.call("POST", "/api/chats", { participantIds: [max.id] });
  const nasty = `<img src=x onerror="alert(1)"><script>alert(2)</script> "&amp;" javascript:alert(3)`;
  await say(lea, chat, nasty);
  await say(lea, chat, "see https://example.com/a?b=1.");
  const page = await visit(max);
  await page.open("Lea <b>Low</b>");
  await page.sees("see https");
  assert.deepEqual(await page.texts(), [nasty, "see https://example.com/a?b=1."]);
  const link = page.page.locator("#messages a");
  assert.equal(await link.getAttribute("href"), "https://example.com/a?b=1");
  assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
  await done(page);
});

test("older messages come when one scrolls up, and the place is kept", async () => {
  const [ned, oda] = [await app.register("Ned North"), await app.register("Oda Old")];
  const chat = await ned.call("POST", "/api/chats", { participantIds: [oda.id] });
  for (let number = 1; number < 120; number += 1) await say(ned, chat, `Message number ${number}.`);
  // Who has answered has read: the page opens at the end, not where reading goes on.
  await say(oda, chat, "Message number 120.");
  const page = await visit(oda);
  await page.open("Ned North");
  await page.sees("Message number 120.");
  assert.equal((await page.texts()).length, 50);
  const scroller = page.page.locator("#scroller");
  await scroller.evaluate((node) => node.scrollTo(0, 0));
  await page.page.waitForFunction(() => document.querySelectorAll("#messages .bubble").length === 100);
  assert.ok((await scroller.evaluate((node) => node.scrollTop)) > 500, "what was at the top has stayed in sight");
  await scroller.evaluate((node) => node.scrollTo(0, 0));
  await page.sees("Message number 1.");
  await page.page.getByText("The beginning of this chat").waitFor();
  const texts = await page.texts();
  assert.deepEqual(texts, Array.from({ length: 120 }, (_, index) => `Message number ${index + 1}.`));
  await done(page);
});

test("after the server was away nothing is missing and nothing is there twice", async () => {
  const [pia, quin] = [await app.register("Pia Plum"), await app.register("Quin Quick")];
  const chat = await pia.call("POST", "/api/chats", { participantIds: [quin.id] });
  await say(pia, chat, "Before");
  const page = await visit(quin);
  await page.open("Pia Plum");
  await page.sees("Before");

  await app.down();
  await page.page.locator("#connection").filter({ hasText: "Reconnecting" }).waitFor();
  await page.say("Written while away");
  await page.message("Written while away").and(page.page.locator(".waiting")).waitFor();
  await app.up();
  await say(pia, chat, "Said meanwhile");
  await page.sees("Said meanwhile");
  await page.page.locator("#messages .waiting").waitFor({ state: "detached" });
  await page.page.getByText("Reconnecting").first().waitFor({ state: "hidden" });
  assert.deepEqual((await page.texts()).sort(), ["Before", "Said meanwhile", "Written while away"]);
  const { messages } = await pia.call("GET", `/api/chats/${chat.id}/messages`);
  assert.equal(messages.length, 3);
  page.isFine(/ERR_CONNECTION_REFUSED|WebSocket connection|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|status of (4|503)/);
  await page.page.context().close();
});

test("a page that was built without the client says what is missing", async () => {
  const page = await openPage(browser, `${app.url}/healthz`);
  await page.route("**/socket.io.min.js", (route) => route.fulfill({ status: 404, body: "" }));
  await page.goto(app.url);
  await page.getByRole("alert").filter({ hasText: "Node.js and npm" }).waitFor();
  await page.context().close();
});

test("it can be used with the keyboard alone", async () => {
  const [ray, sue, tim] = [await app.register("Ray Red"), await app.register("Sue Soft"), await app.register("Tim Tall")];
  for (const other of [sue, tim]) await ray.call("POST", "/api/chats", { participantIds: [other.id], initialMessage: "Hello" });
  const page = await visit(ray);
  await page.row("Tim Tall").focus();
  await page.page.keyboard.press("ArrowDown");
  await page.page.keyboard.press("Enter");
  await page.isIn("Sue Soft");
  await page.page.waitForFunction(() => document.activeElement?.id === "draft");
  await page.page.keyboard.type("By hand");
  await page.page.keyboard.press("Shift+Enter");
  await page.page.keyboard.type("alone");
  await page.page.keyboard.press("Enter");
  await page.sees("By hand");
  assert.equal((await page.texts()).at(-1), "By hand\nalone");
  await page.page.getByRole("button", { name: "People in this chat" }).press("Enter");
  await page.page.getByRole("dialog").waitFor();
  await page.page.keyboard.press("Escape");
  await page.page.getByRole("dialog").waitFor({ state: "hidden" });
  await done(page);
});

test("an error at the door is said in plain words", async () => {
  const page = await visit();
  await page.page.getByLabel("E-mail").fill("nobody@example.com");
  await page.page.locator("#entry").getByLabel("Password").fill("wrong password");
  await page.page.getByRole("button", { name: "Log in", exact: true }).click();
  await page.page.getByRole("alert").filter({ hasText: "wrong" }).waitFor();
  await page.page.getByRole("button", { name: "Create an account" }).click();
  await page.page.getByLabel("Your name").fill("Una Upton");
  await page.page.locator("#entry").getByLabel("Password").fill("short");
  await page.page.getByRole("button", { name: "Create account", exact: true }).click();
  await page.page.getByRole("alert").filter({ hasText: "The password must be 8 to 128 characters long" }).waitFor();
  page.isFine(/status of 40[01]/);
  await page.page.context().close();
});

test("a token that is no longer good is renewed, and a session that is over ends at the door", async () => {
  const vic = await app.register("Vic Vale");
  const wes = await app.register("Wes West");
  await vic.call("POST", "/api/chats", { participantIds: [wes.id], initialMessage: "Still here?" });
  const page = await visit(wes);
  const change = (name, value) => page.page.evaluate(([key, text]) => {
    const session = JSON.parse(sessionStorage.getItem("parlance"));
    sessionStorage.setItem("parlance", JSON.stringify({ ...session, [key]: text }));
  }, [name, value]);
  await change("token", "stale");
  await page.page.reload();
  await page.open("Vic Vale");
  await page.say("Yes");
  await page.message("Yes").and(page.page.locator(":not(.waiting)")).waitFor();

  await change("token", "stale");
  await change("refreshToken", "spent");
  await page.page.reload();
  await page.page.getByRole("heading", { name: "Welcome back" }).waitFor();
  page.isFine(/status of 40[01]/);
  await page.page.context().close();
});
