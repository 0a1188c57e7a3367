// What one can do with messages and with a group, between people who look at it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { say } from "./support/app.js";
import { app, done, setUp, visit } from "./support/stage.js";

setUp();

test("messages are replied to, edited, deleted and reacted to, and their receipts are shown", async () => {
  const [abe, bea] = [await app.register("Abe Ash"), await app.register("Bea Birch")];
  const chat = await abe.call("POST", "/api/chats", { participantIds: [bea.id] });
  await say(bea, chat, "Shall we meet?");
  const one = await visit(abe);
  await one.open("Bea Birch");
  await one.say("Yes, at siz");
  await one.hasCome("Yes, at siz", "Sent");
  const other = await visit(bea);
  await one.hasCome("Yes, at siz", "Delivered");
  await other.open("Abe Ash");
  await one.hasCome("Yes, at siz", "Read");
  await one.page.locator("#chat-about").filter({ hasText: "Online" }).waitFor();

  await one.draft.press("ArrowUp");
  const editor = one.page.getByLabel("Edit message");
  assert.equal(await editor.inputValue(), "Yes, at siz");
  await editor.fill("Yes, at six");
  await editor.press("Enter");
  await other.sees("Yes, at six");
  await other.message("Yes, at six").getByText("edited").waitFor();

  await other.choose("Yes, at six", "Reply");
  await other.say("I will be there");
  await one.message("I will be there").locator(".quote").filter({ hasText: "Yes, at six" }).waitFor();

  await one.message("I will be there").press("Enter");
  await one.page.getByRole("button", { name: "React with 🎉" }).click();
  const reaction = other.message("I will be there").getByRole("button", { name: "🎉 1" });
  await reaction.waitFor();
  await reaction.click();
  await one.message("I will be there").getByRole("button", { name: "🎉 2, you among them" }).click();
  await other.message("I will be there").getByRole("button", { name: "🎉 1, you among them" }).waitFor();

  await one.choose("Yes, at six", "Delete", "Really delete?");
  await other.sees("This message was deleted");
  await other.message("I will be there").locator(".quote").filter({ hasText: "Message deleted" }).waitFor();
  assert.deepEqual(await other.texts(), ["Shall we meet?", "This message was deleted", "I will be there"]);
  assert.deepEqual(await one.texts(), await other.texts());
  await done(one, other);
});

test("three in a group: roles, a new name, a mention that is told, the group handed over", async () => {
  const [cai, dee, eli] = [await app.register("Cai Cole"), await app.register("Dee Dunn"), await app.register("Eli Elm")];
  await cai.call("POST", "/api/chats", { isGroup: true, name: "Plans", participantIds: [dee.id, eli.id] });
  const [owner, member, third] = [await visit(cai), await visit(dee), await visit(eli)];
  await owner.open("Plans");
  await third.open("Plans");

  await owner.draft.pressSequentially("Ask @de");
  await owner.page.getByRole("option", { name: "Dee Dunn" }).waitFor();
  await owner.draft.press("Enter");
  assert.equal(await owner.draft.inputValue(), "Ask @Dee Dunn ");
  await owner.draft.press("Enter");
  await third.message("Ask @Dee Dunn").locator(".mention").filter({ hasText: "@Dee Dunn" }).waitFor();
  await member.row("Plans").getByLabel("You were mentioned").waitFor();
  await member.page.getByRole("button", { name: /Notifications, \d+ unread/ }).click();
  await member.page.getByRole("button", { name: /Cai Cole mentioned you/ }).click();
  await member.isIn("Plans");
  await member.sees("Ask @Dee Dunn");

  await owner.page.getByRole("button", { name: "People in this chat" }).click();
  await owner.page.getByLabel("Group name").fill("Great plans");
  await owner.page.getByRole("button", { name: "Rename" }).click();
  await third.isIn("Great plans");
  await third.sees("The group is now called “Great plans”");
  await owner.change("Dee Dunn", "Make moderator");
  await owner.page.locator("#participants").getByText(/^Moderator/).waitFor();
  await owner.change("Eli Elm", "Hand the group over", "Really hand over?");
  await third.sees("Cai Cole made you the owner");
  await third.page.getByRole("button", { name: "People in this chat" }).click();
  await third.page.getByRole("button", { name: "Change Cai Cole" }).waitFor();
  await done(owner, member, third);
});
