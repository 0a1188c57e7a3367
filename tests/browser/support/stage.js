// What every file of tests stands on: a server and a browser of its own.
import { after, before } from "node:test";
import { App } from "./app.js";
import { launch, openPage } from "./browser.js";
import { Person } from "./person.js";

/** They are there as soon as a test runs. */
export let app;
export let browser;

/** Starts both before the tests of a file, and ends them after; `furnish` is done when they are there. */
export function setUp(furnish = () => {}) {
  before(async () => {
    [app, browser] = await Promise.all([App.start(), launch()]);
    await furnish();
  });
  after(async () => {
    await browser?.close();
    await app?.stop();
  });
}

/** Somebody at the page in a browser of their own, logged in when there is an account. */
export async function visit(account, options, query = "") {
  const person = new Person(await openPage(browser, `${app.url}/chat-example.html${query}`, options));
  if (account) await person.login(account.email);
  return person;
}

/** They leave, and nothing went wrong on their pages. */
export async function done(...people) {
  for (const person of people) {
    person.isFine();
    await person.page.context().close();
  }
}
