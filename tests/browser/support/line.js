// The line between a page and the server, with the test sitting on it.
import assert from "node:assert/strict";
import { openPage } from "./browser.js";
import { Person } from "./person.js";
import { app, browser } from "./stage.js";

/**
 * A page whose messages pass through `line`: `sent` is what the page said, `rewrite` and `rewriteSent` change what
 * passes, and while it `isDown` no new one comes about.
 */
export async function throughLine(account, line, options) {
  const page = await openPage(browser, `${app.url}/healthz`, options);
  line.sent = [];
  await page.routeWebSocket(/socket\.io/, (socket) => {
    if (line.isDown) return socket.close();
    const upstream = socket.connectToServer();
    line.cut = () => socket.close();
    line.toPage = (text) => socket.send(text);
    upstream.onMessage((text) => socket.send(line.rewrite?.(text) ?? text));
    socket.onMessage((text) => {
      line.sent.push(text);
      upstream.send(line.rewriteSent?.(text) ?? text);
    });
  });
  await page.goto(`${app.url}/chat-example.html?transports=websocket`);
  page.problems.length = 0;
  const person = new Person(page);
  await person.login(account.email);
  return person;
}

/** Waits until the page has sent something that matches. */
export async function hasSent(person, line, pattern) {
  const aFrame = () => person.page.evaluate(() => new Promise(requestAnimationFrame));
  const end = Date.now() + 10_000;
  while (!line.sent.some((text) => pattern.test(String(text)))) {
    assert.ok(Date.now() < end, `the page never sent ${pattern}`);
    await aFrame();
  }
}
