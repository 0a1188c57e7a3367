// The official admin page, as its package ships it, in a real browser: it connects and shows sockets, rooms and events.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Server, binary } from "../js/support/server.js";
import { App } from "./support/app.js";
import { launch, openPage, picture } from "./support/browser.js";
import { Person } from "./support/person.js";

const dist = fileURLToPath(new URL("node_modules/@socket.io/admin-ui/ui/dist/", import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png" };
const PASSWORD = "a long enough password";

let host, app, browser;
before(async () => {
  host = createServer(async (request, response) => {
    const name = new URL(request.url, "http://host").pathname;
    try {
      const body = await readFile(path.join(dist, path.normalize(name === "/" ? "/index.html" : name)));
      response.writeHead(200, { "content-type": TYPES[path.extname(name) || ".html"] ?? "text/plain" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => host.listen(0, "127.0.0.1", resolve));
  host.url = `http://127.0.0.1:${host.address().port}`;
  const { log } = await Server.run(binary("parlance"), ["hash-password"], { input: `${PASSWORD}\n` });
  app = await App.start(["--admin-ui", "development", "--admin-ui-password-hash", log.trim(), "--cors-origins", host.url]);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await app?.stop();
  host?.close();
});

async function logIn(page, password) {
  await page.getByLabel("Server URL").fill(app.url);
  await page.getByLabel("Username").fill("admin");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Connect" }).click();
}

test("the official admin page shows sockets, rooms and events", async () => {
  const chatting = new Person(await openPage(browser, app.url));
  await chatting.register("Ann");
  const page = await openPage(browser, host.url);
  await logIn(page, "not the password");
  await page.getByText("Invalid credentials").waitFor();
  await logIn(page, PASSWORD);
  await page.getByText("Invalid credentials").waitFor({ state: "hidden" });

  await page.goto(`${host.url}/#/sockets`);
  const id = page.locator("table tbody tr").first();
  await id.waitFor();
  await picture(page, "admin-sockets");
  await page.goto(`${host.url}/#/rooms`);
  await page.locator("table").getByText("user:").first().waitFor();
  await picture(page, "admin-rooms");
  await page.goto(`${host.url}/#/events`);
  await app.register("Ben");
  await chatting.startChat("Ben");
  await chatting.say("Hello");
  await page.locator("table").getByText("send-message").first().waitFor();
  await picture(page, "admin-events");
  assert.ok(!(await page.content()).includes("Hello"), "what people write is not shown");
});
