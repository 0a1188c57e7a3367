// The real program on a data directory of its own, and its API for what a test needs before the page opens.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Server, binary } from "../../js/support/server.js";

const LISTENING = /^listening on http:\/\/127\.0\.0\.1:(\d+)$/;
export const PASSWORD = "correct horse battery";

export class App {
  /** `options` are further arguments of the command line. */
  static async start(options = []) {
    const app = new App();
    app.options = options;
    app.dataDir = await mkdtemp(path.join(tmpdir(), "parlance-browser-"));
    await app.listen(0);
    return app;
  }

  async listen(port) {
    const options = ["--listen", `localhost:${port}`, "--data-dir", this.dataDir, "--rate-limits", "off", ...this.options];
    this.server = await Server.start(binary("parlance"), options, { pattern: LISTENING });
    this.url = this.server.url;
  }

  /** Ends the server; pages lose their connection. */
  async down() {
    assert.equal((await this.server.stop()).code, 0);
  }

  /** Starts it again on the same data and the same port. */
  async up() {
    await this.listen(this.server.port);
  }

  async stop() {
    await this.server.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  async call(method, route, body, token) {
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    const response = await fetch(this.url + route, { method, headers, body: body && JSON.stringify(body) });
    const reply = await response.json();
    assert.ok(reply.success, `${method} ${route}: ${JSON.stringify(reply)}`);
    return reply.data;
  }

  /** Somebody with an account: `{id, name, email, call}`. */
  async register(name) {
    const email = `${name.toLowerCase().replaceAll(/[^a-z]+/g, ".")}@example.com`;
    const { user, token } = await this.call("POST", "/api/auth/register", { name, email, password: PASSWORD });
    return { ...user, call: (method, route, body) => this.call(method, route, body, token) };
  }

  /** Two people with a chat, in which the first has said "The first". */
  async pair(one, other) {
    const [first, second] = [await this.register(one), await this.register(other)];
    const chat = await first.call("POST", "/api/chats", { participantIds: [second.id], initialMessage: "The first" });
    return { first, second, chat };
  }
}

/** Says something in a chat, over the API. */
export const say = (person, chat, content) => person.call("POST", `/api/chats/${chat.id}/messages`, { content });
