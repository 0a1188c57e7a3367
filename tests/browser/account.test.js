// The person: the account, its sessions and tabs, the colours, and the hands that stay on the keyboard.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PASSWORD, say } from "./support/app.js";
import { app, done, setUp, visit } from "./support/stage.js";

setUp();

test("the colours that were chosen are kept, and those of the system come back", async () => {
  const person = await visit(await app.register("Abe Aqua"), { colorScheme: "light" });
  const { page } = person;
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  const choose = async (name) => {
    await page.getByRole("button", { name: /^Your account/ }).click();
    await page.getByText(name, { exact: true }).click();
    await page.keyboard.press("Escape");
  };
  await choose("Dark");
  const dark = await background();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await background(), dark);
  await choose("As the system");
  assert.equal(await background(), light);
  await done(person);
});

test("a new password ends the other sessions at the door, and this one goes on", async () => {
  const { first, second, chat } = await app.pair("Bo Blue", "Cy Cyan");
  const [here, there] = [await visit(second), await visit(second)];
  await there.open("Bo Blue");
  await here.open("Bo Blue");
  await here.page.getByRole("button", { name: /^Your account/ }).click();
  await here.page.getByText("Change the password").click();
  const change = async (current) => {
    await here.page.getByLabel("Present password").fill(current);
    await here.page.getByLabel("New password").fill("a different battery");
    await here.page.getByRole("button", { name: "Change", exact: true }).click();
  };
  await change("not this one");
  await here.page.getByRole("alert").filter({ hasText: "The present password is not right" }).waitFor();
  await change(PASSWORD);
  await here.page.getByText("Every other session of yours has ended").waitFor();
  await there.page.getByText("Your session has ended. Log in to go on with your chats.").waitFor();
  await here.page.keyboard.press("Escape");
  await say(first, chat, "Still with me?");
  await here.sees("Still with me?");
  await here.say("Yes");
  await here.hasCome("Yes", "Sent");
  for (const person of [here, there]) person.isFine(/status of 40[01]/);
  for (const person of [here, there]) await person.page.context().close();
});

test("two tabs of one person: what is read or written in one is so in the other", async () => {
  const { first, second, chat } = await app.pair("Di Dune", "Ed Ebony");
  const [one, other] = [await visit(second), await visit(second)];
  await other.row("Di Dune").getByLabel("1 unread").waitFor();
  await one.open("Di Dune");
  await other.row("Di Dune").getByLabel("unread").waitFor({ state: "detached" });
  await other.open("Di Dune");
  await other.say("From the other tab");
  await one.hasCome("From the other tab", "Sent");
  await say(first, chat, "The last");
  for (const tab of [one, other]) {
    await tab.sees("The last");
    assert.deepEqual(await tab.texts(), ["The first", "From the other tab", "The last"]);
  }
  await done(one, other);
});

test("from the door to a reaction without a mouse", async () => {
  const { second } = await app.pair("Fay Fern", "Gus Gold");
  const person = await visit();
  const { page } = person;
  const { keyboard } = page;
  const isFocused = (selector) => page.waitForFunction((wanted) => document.activeElement?.matches(wanted), selector);
  await keyboard.press("Tab");
  await keyboard.type(second.email);
  await keyboard.press("Tab");
  await keyboard.type(PASSWORD);
  await keyboard.press("Enter");
  await person.row("Fay Fern").waitFor();
  while (!(await page.evaluate(() => document.activeElement?.matches("#chats button")))) await keyboard.press("Tab");
  await keyboard.press("Enter");
  await isFocused("#draft");
  await keyboard.type("By hnd");
  await keyboard.press("Enter");
  await person.hasCome("By hnd", "Sent");
  await keyboard.press("ArrowUp");
  await isFocused("#edit");
  await keyboard.press("ControlOrMeta+a");
  await keyboard.type("By hand");
  await keyboard.press("Enter");
  await person.message("By hand").getByText("edited").waitFor();
  await isFocused("#draft");
  await keyboard.press("Shift+Tab");
  await isFocused(".message");
  await keyboard.press("Enter");
  await isFocused(".picker button");
  await keyboard.press("Enter");
  await person.message("By hand").getByRole("button", { name: "👍 1, you among them" }).waitFor();
  await isFocused(".message");
  await keyboard.press("Shift+Tab");
  await isFocused("#details-button");
  await keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await keyboard.press("Escape");
  await isFocused("#details-button");
  await done(person);
});
