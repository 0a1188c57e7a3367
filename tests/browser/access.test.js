// axe-core looks at the main states of the page, by day and by night.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { App, say } from "./support/app.js";
import { DESKTOP, PHONE, launch, openPage, picture } from "./support/browser.js";
import { Person } from "./support/person.js";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
let app;
let browser;
let axe;

before(async () => {
  [app, browser] = await Promise.all([App.start(), launch()]);
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
});

after(async () => {
  await browser?.close();
  await app?.stop();
});

/** Writes a picture of the state, and collects what axe finds in it. */
async function look(page, name, findings) {
  await picture(page, `state-${name}`);
  const found = await page.evaluate(async (tags) => {
    // Colours are measured at rest.
    await Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity).map((one) => one.finished.catch(() => {})));
    const { violations } = await window.axe.run(document, { runOnly: tags });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`));
  }, RULES);
  findings.push(...found.map((one) => `${name}: ${one}`));
}

/** A group in which everything there is has happened. */
async function furnish(suffix) {
  const [eva, levi, noa] = await Promise.all(["Eva", "Levi", "Noa"].map((name) => app.register(`${name} ${suffix}`)));
  const title = `A group whose name is so long that it cannot stand anywhere in full ${suffix}`;
  const group = await levi.call("POST", "/api/chats", { isGroup: true, name: title, participantIds: [eva.id, noa.id] });
  const path = (message, rest = "") => `/api/chats/${group.id}/messages/${message.id}${rest}`;
  const write = (who, body) => who.call("POST", `/api/chats/${group.id}/messages`, body);
  await say(noa, group, "مرحبا بالجميع! كيف حالكم اليوم؟ שלום 123");
  await say(noa, group, "W".repeat(1000));
  const first = await say(levi, group, "A question with a link: https://example.com/a/very/long/address?with=parameters&and=more");
  const answer = await write(eva, { content: `An answer for @Noa ${suffix}, with thanks`, replyTo: first.id, mentions: [noa.id] });
  await noa.call("PUT", path(answer, `/reactions/${encodeURIComponent("🎉")}`));
  await eva.call("PUT", path(first, `/reactions/${encodeURIComponent("👍")}`));
  const gone = await say(levi, group, "Not for long");
  await levi.call("DELETE", path(gone));
  const wrong = await say(eva, group, "Corectly");
  await eva.call("PATCH", path(wrong), { content: "Correctly" });
  await write(noa, { content: "🎉🎉" });
  await write(noa, { content: `Thank you, @Eva ${suffix}`, mentions: [eva.id] });
  await eva.call("POST", "/api/chats", { participantIds: [noa.id] });
  return { eva, title };
}

for (const [width, size] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`axe finds nothing on a ${width}, ${colorScheme}`, async () => {
      const name = `${width}-${colorScheme}`;
      const findings = [];
      const { eva, title } = await furnish(`${width} ${colorScheme}`);
      const person = new Person(await openPage(browser, app.url, { ...size, colorScheme }));
      const { page } = person;
      await page.addScriptTag({ content: axe }).catch(() => page.evaluate(axe));
      page.problems.length = 0; // the policy refuses the script tag, as it should
      await look(page, `login-${name}`, findings);
      await person.login(eva.email);
      await person.row(title).waitFor();
      await look(page, `list-${name}`, findings);
      await person.open(title);
      await person.sees("Thank you");
      await look(page, `group-${name}`, findings);
      await person.page.locator(".message").filter({ hasText: "Correctly" }).press("Enter");
      await look(page, `menu-${name}`, findings);
      await page.keyboard.press("Escape");
      await person.choose("Correctly", "Edit");
      await page.getByLabel("Edit message").waitFor();
      await look(page, `edit-${name}`, findings);
      await page.getByRole("button", { name: "Cancel" }).click();
      await person.choose("Correctly", "Reply");
      await look(page, `reply-${name}`, findings);
      await page.getByRole("button", { name: "People in this chat" }).click();
      await look(page, `people-${name}`, findings);
      await page.keyboard.press("Escape");
      if (width === "phone") await page.getByRole("button", { name: "Back to the chats" }).click();
      for (const [button, state] of [[/^Notifications/, "inbox"], [/^Your account/, "account"], ["New chat", "finder"]]) {
        await page.getByRole("button", { name: button }).click();
        await page.getByRole("dialog").waitFor();
        await look(page, `${state}-${name}`, findings);
        await page.keyboard.press("Escape");
      }
      await page.context().close();
      assert.deepEqual(findings, []);
    });
  }
}
