// axe-core looks at the main states of the page, by day and by night.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { PASSWORD, say } from "./support/app.js";
import { DESKTOP, PHONE, picture } from "./support/browser.js";
import { app, setUp, visit } from "./support/stage.js";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
let axe;

setUp(async () => {
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
});

/** What axe finds on the page as it stands. */
async function faults(page) {
  await page.evaluate(axe);
  return page.evaluate(async (tags) => {
    // Colours are measured at rest.
    await Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity).map((one) => one.finished.catch(() => {})));
    const { violations } = await window.axe.run(document, { runOnly: tags });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`));
  }, RULES);
}

/** A group in which everything there is has happened. */
async function furnish(suffix) {
  const [eva, levi, noa] = await Promise.all(["Eva", "Levi", "Noa"].map((name) => app.register(`${name} ${suffix}`)));
  const title = `A group whose name is so long that it cannot stand anywhere in full ${suffix}`;
  const group = await eva.call("POST", "/api/chats", { isGroup: true, name: title, participantIds: [levi.id, noa.id] });
  const path = (message, rest = "") => `/api/chats/${group.id}/messages/${message.id}${rest}`;
  const write = (who, body) => who.call("POST", `/api/chats/${group.id}/messages`, body);
  await say(noa, group, "مرحبا بالجميع! كيف حالكم اليوم؟ שלום 123");
  await say(noa, group, "W".repeat(1000));
  const first = await say(levi, group, "A question with a link: https://example.com/a/very/long/address?with=parameters&and=more");
  const answer = await write(eva, { content: `An answer for @Noa ${suffix}, with thanks`, replyTo: first.id, mentions: [noa.id] });
  for (const emoji of ["🎉", "👍", "❤️", "😂", "😮", "🙏", "🔥", "✨", "💯", "✅", "☕", "🍕"]) {
    await noa.call("PUT", path(answer, `/reactions/${encodeURIComponent(emoji)}`));
  }
  await eva.call("PUT", path(first, `/reactions/${encodeURIComponent("👍")}`));
  const gone = await say(levi, group, "Not for long");
  await levi.call("DELETE", path(gone));
  const wrong = await say(eva, group, "Corectly");
  await eva.call("PATCH", path(wrong), { content: "Correctly" });
  await write(noa, { content: "🎉🎉" });
  await write(noa, { content: `Thank you, @Eva ${suffix}`, mentions: [eva.id] });
  const direct = await eva.call("POST", "/api/chats", { participantIds: [noa.id] });
  return { eva, noa, title, direct };
}

for (const [width, size] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  for (const colorScheme of ["light", "dark"]) {
    const options = { ...size, colorScheme };
    const findings = [];
    const look = async (page, place) => {
      await picture(page, `${place}-${width}-${colorScheme}`);
      findings.push(...(await faults(page)).map((one) => `${place}: ${one}`));
    };

    test(`axe finds nothing in the chats on a ${width}, ${colorScheme}`, async () => {
      const { eva, noa, title, direct } = await furnish(`${width} ${colorScheme}`);
      const person = await visit(eva, options);
      const { page } = person;
      await person.row(title).getByLabel("unread").waitFor();
      await look(page, "list");
      await person.open(title);
      await person.sees("Thank you");
      await person.row(title).getByLabel("unread").waitFor({ state: "detached" });
      await look(page, "extremes");
      await person.message("Correctly").press("Enter");
      await look(page, "menu");
      await page.keyboard.press("Escape");
      await person.choose("Correctly", "Edit");
      await page.getByLabel("Edit message").waitFor();
      await look(page, "edit");
      await page.getByRole("button", { name: "Cancel" }).click();
      await person.choose("Thank you", "Reply");
      await person.draft.fill("a long answer ".repeat(300));
      await person.draft.press("End");
      await person.draft.pressSequentially("@le");
      await page.getByRole("option").waitFor();
      await look(page, "writing");
      await person.draft.fill("");
      await page.getByRole("button", { name: "People in this chat" }).click();
      await look(page, "people");
      await page.keyboard.press("Escape");
      await say(noa, direct, "Are you there? I have a question about the plan for tomorrow.");
      await person.isTold("Are you there?");
      if (width === "phone") await page.getByRole("button", { name: "Back to the chats" }).click();
      await page.getByRole("button", { name: /^Notifications/ }).click();
      await page.getByRole("dialog").waitFor();
      await look(page, "inbox");
      await page.context().close();
      assert.deepEqual(findings.splice(0), []);
    });

    test(`axe finds nothing at the door, in an empty list and in the account on a ${width}, ${colorScheme}`, async () => {
      const person = await visit(null, options);
      const { page } = person;
      await look(page, "login");
      await page.getByRole("button", { name: "Create an account" }).click();
      await page.getByLabel("Your name").fill("Wilhelmina Featherstonehaugh");
      await page.getByLabel("E-mail").fill("no address");
      await page.getByRole("button", { name: "Create account", exact: true }).click();
      await page.getByRole("alert").filter({ hasText: /./ }).waitFor();
      await look(page, "register");
      await page.getByLabel("E-mail").fill(`w.${width}.${colorScheme}@example.com`);
      await page.locator("#entry").getByLabel("Password").fill(PASSWORD);
      await page.getByRole("button", { name: "Create account", exact: true }).click();
      await page.getByText("No chats yet").waitFor();
      await look(page, "empty");
      await page.getByRole("button", { name: "Start a chat" }).click();
      await page.getByRole("dialog").waitFor();
      await look(page, "finder");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: /^Your account/ }).click();
      await page.getByText("Change the password").click();
      await look(page, "account");
      await page.goto(`${app.url}/api-docs`);
      await page.locator("#Message summary").click();
      await page.locator("#routes summary").filter({ hasText: "POST" }).first().click();
      await page.evaluate(() => scrollTo(0, 0));
      await look(page, "api-docs");
      await page.context().close();
      assert.deepEqual(findings.splice(0), []);
    });
  }
}
