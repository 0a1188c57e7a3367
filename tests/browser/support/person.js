// What a person does on the page, and sees there.
import assert from "node:assert/strict";
import { PASSWORD } from "./app.js";

export class Person {
  constructor(page) {
    this.page = page;
  }

  async register(name) {
    await this.page.getByRole("button", { name: "Create an account" }).click();
    await this.page.getByLabel("Your name").fill(name);
    await this.enter(`${name.toLowerCase().replaceAll(" ", ".")}@example.com`, "Create account");
  }

  async login(email) {
    await this.enter(email, "Log in");
  }

  async enter(email, button) {
    await this.page.getByLabel("E-mail").fill(email);
    await this.page.locator("#entry").getByLabel("Password").fill(PASSWORD);
    await this.page.getByRole("button", { name: button, exact: true }).click();
    await this.page.getByRole("heading", { name: "Chats" }).waitFor();
  }

  /** Finds people by name in the dialog that is open. */
  async pick(...names) {
    for (const name of names) {
      await this.page.getByLabel("Search people by name").fill(name);
      await this.page.locator("#found").getByRole("button", { name }).click();
    }
  }

  async startChat(name) {
    await this.page.getByRole("button", { name: "New chat" }).click();
    await this.pick(name);
    await this.page.getByRole("button", { name: "Start chat" }).click();
    await this.isIn(name);
  }

  async startGroup(title, ...names) {
    await this.page.getByRole("button", { name: "New chat" }).click();
    await this.pick(...names);
    await this.page.getByLabel("Name of the group").fill(title);
    await this.page.getByRole("button", { name: "Start group" }).click();
    await this.isIn(title);
  }

  /** The row of a chat in the list. */
  row(title) {
    return this.page.locator("#chats button").filter({ has: this.page.getByText(title, { exact: true }) });
  }

  async open(title) {
    await this.row(title).click();
    await this.isIn(title);
  }

  async isIn(title) {
    await this.page.getByRole("heading", { name: title, level: 2 }).waitFor();
  }

  get draft() {
    return this.page.getByRole("textbox", { name: "Message", exact: true });
  }

  async say(text) {
    await this.draft.fill(text);
    await this.draft.press("Enter");
  }

  message(text) {
    return this.page.locator("#messages li").filter({ hasText: text });
  }

  async sees(text) {
    await this.message(text).waitFor();
  }

  /** The texts of the messages, as they stand on the page. */
  texts() {
    return this.page.locator("#messages .bubble .words").evaluateAll((all) => all.map((one) => one.textContent));
  }

  /** Chooses something from the menu of a message. */
  async choose(text, ...items) {
    await this.page.locator(".message").filter({ has: this.page.locator(".words", { hasText: text }) }).press("Enter");
    for (const item of items) await this.page.getByRole("menuitem", { name: item }).click();
  }

  /** Chooses something from the menu of a person in the dialog about the chat. */
  async change(name, ...items) {
    await this.page.getByRole("button", { name: `Change ${name}` }).click();
    for (const item of items) await this.page.getByRole("menuitem", { name: item }).click();
  }

  /** The own message has come this far: Sent, Delivered or Read. */
  async hasCome(text, step) {
    await this.message(text).getByRole("img", { name: step, exact: true }).waitFor();
  }

  async seesTyping(name, timeout) {
    await this.page.locator("#typing").filter({ hasText: `${name} is typing` }).waitFor({ timeout });
  }

  /** Types on until `other` sees it: the news is volatile, and told again after three seconds. */
  async typesTo(other, name) {
    for (let tries = 1; ; tries += 1) {
      await this.draft.pressSequentially("Hi");
      try {
        return await other.seesTyping(name, 3_200);
      } catch (error) {
        if (tries === 3) throw error;
      }
    }
  }

  async seesNobodyTyping() {
    await this.page.locator("#typing").filter({ hasNotText: "typing" }).waitFor();
  }

  async isTold(text) {
    await this.page.locator(".toast").filter({ hasText: text }).first().waitFor();
  }

  /** Nothing went wrong on the page; `allowed` is for what a test brought about itself. */
  isFine(allowed = /(?!)/) {
    assert.deepEqual(this.page.problems.filter((problem) => !allowed.test(problem)), []);
  }
}
