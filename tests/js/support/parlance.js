// The real server on a data directory of its own, and people who use it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ask, connected, open } from "./client.js";
import { Server, binary } from "./server.js";
import { assertFailure, assertSession } from "./shapes.js";
import { next, until } from "./wait.js";

const LISTENING = /^listening on http:\/\/127\.0\.0\.1:(\d+)$/;
/** Known to the tests, so that they can sign what the server must refuse for another reason than its signature. */
export const JWT_SECRET = "a secret of the tests, more than 32 bytes long";
const PASSWORD = "correct horse battery staple";

/** `PARLANCE_TEST_POSTGRES` names a server that is used instead of SQLite; everybody gets a schema of their own in it. */
function databaseOptions() {
  const server = process.env.PARLANCE_TEST_POSTGRES;
  if (!server) return [];
  const script = fileURLToPath(new URL("../../postgres", import.meta.url));
  const url = execFileSync(script, ["schema", server, `t${randomUUID().replaceAll("-", "")}`], { encoding: "utf8" });
  return ["--database-url", url.trim()];
}

export class Parlance {
  /** `options` are further arguments of the command line, `env` further variables. Rates are off unless `rates` is true. */
  static async start({ options = [], env = {}, rates = false } = {}) {
    const app = new Parlance();
    app.env = env;
    app.dataDir = await mkdtemp(path.join(tmpdir(), "parlance-js-"));
    app.database = databaseOptions();
    app.options = [...app.database, ...options, ...(rates ? [] : ["--rate-limits", "off"])];
    await app.#listen(0);
    return app;
  }

  async #listen(port) {
    const args = ["--listen", `127.0.0.1:${port}`, "--data-dir", this.dataDir, "--jwt-secret", JWT_SECRET, ...this.options];
    this.server = await Server.start(binary("parlance"), args, { env: this.env, pattern: LISTENING });
    this.url = this.server.url;
  }

  /** Stops and starts again, on the same data and the same port. */
  async restart(signal) {
    const { port } = this.server;
    const end = await this.server.stop(signal);
    await this.#listen(port);
    return end;
  }

  async stop() {
    try {
      return await this.server.stop();
    } finally {
      await rm(this.dataDir, { recursive: true, force: true });
    }
  }

  /** Runs `parlance user create` on the data of this server, and logs the new person in. */
  async createUser(name, role) {
    const email = uniqueEmail(name);
    const args = ["user", "create", "--data-dir", this.dataDir, ...this.database, "--email", email, "--name", name, "--role", role, "--password", PASSWORD];
    const ended = await Server.run(binary("parlance"), args);
    assert.equal(ended.code, 0, ended.log);
    const person = new Person(this, { name, email });
    return person.login();
  }

  /** One HTTP request without a person: `{status, headers, body}`. A string body is sent as it is. */
  async request(method, route, body, headers = {}) {
    const init = { method, headers: { ...headers } };
    if (body !== undefined) {
      init.body = typeof body === "string" ? body : JSON.stringify(body);
      init.headers["content-type"] ??= "application/json";
    }
    const response = await fetch(this.url + route, init);
    const text = await response.text();
    let parsed = text;
    if (response.headers.get("content-type")?.startsWith("application/json")) parsed = JSON.parse(text);
    return { status: response.status, headers: response.headers, body: parsed };
  }

  /** Registers one person for each name. */
  people(...names) {
    return Promise.all(names.map((name) => this.person(name)));
  }

  async person(name) {
    const person = new Person(this, { name, email: uniqueEmail(name) });
    const { status, body } = await this.request("POST", "/api/auth/register", { name, email: person.email, password: PASSWORD });
    assert.equal(status, 201, JSON.stringify(body));
    return person.adopt(body.data);
  }
}

export function uniqueEmail(name) {
  return `${name.toLowerCase().replace(/[^a-z]/g, "")}-${randomUUID()}@example.test`;
}

export class Person {
  constructor(app, { name, email, password = PASSWORD }) {
    Object.assign(this, { app, name, email, password });
  }

  /** Takes the `{user, token, …}` of a login. */
  adopt(session) {
    assertSession(session);
    Object.assign(this, { user: session.user, id: session.user.id, token: session.token, refreshToken: session.refreshToken });
    return this;
  }

  async login() {
    const { status, body } = await this.app.request("POST", "/api/auth/login", { email: this.email, password: this.password });
    assert.equal(status, 200, JSON.stringify(body));
    return this.adopt(body.data);
  }

  /** The same person with another token. */
  with(token) {
    return Object.assign(new Person(this.app, this), { user: this.user, id: this.id, token });
  }

  request(method, route, body) {
    const headers = this.token === null ? {} : { authorization: `Bearer ${this.token}` };
    return this.app.request(method, route, body, headers);
  }

  /** A request that must succeed; its `data`. `status` may be one or several. */
  async ok(method, route, body, status = 200) {
    const reply = await this.request(method, route, body);
    assert.ok([status].flat().includes(reply.status), `${method} ${route}: ${reply.status} ${JSON.stringify(reply.body)}`);
    assert.deepEqual(Object.keys(reply.body).sort(), ["data", "success"]);
    assert.equal(reply.body.success, true);
    return reply.body.data;
  }

  /** A request that must fail with `status` and `code` (and `field`). */
  async refused(status, code, method, route, body, field) {
    const reply = await this.request(method, route, body);
    const context = `${method} ${route} ${JSON.stringify(body)?.slice(0, 200)}: ${reply.status} ${JSON.stringify(reply.body)}`;
    assert.equal(reply.status, status, context);
    assertFailure(reply.body, code, field, context);
    return reply.body;
  }

  direct(other, extra = {}) {
    return this.ok("POST", "/api/chats", { participantIds: [other.id], ...extra }, [200, 201]);
  }

  group(name, ...others) {
    const body = { name, isGroup: true, participantIds: others.map(({ id }) => id) };
    return this.ok("POST", "/api/chats", body, 201);
  }

  /** A socket that is not awaited: for refusals and for listening from the first event on. */
  open(t, mode, options = {}) {
    return open(t, this.app.url, mode, { auth: { token: this.token }, ...options });
  }

  async connect(t, mode, options) {
    return connected(this.open(t, mode, options));
  }

  /** The `connect_error` that this person's socket gets. */
  async connectError(t, mode, options) {
    const socket = this.open(t, mode, options);
    const error = await next(socket, "connect_error");
    assert.equal(socket.connected, false);
    return error;
  }
}

/** Emits an event that must succeed; the whole acknowledgement. */
export async function reply(socket, event, argument) {
  const answer = await ask(socket, event, argument);
  assert.equal(answer?.success, true, `${event}: ${JSON.stringify(answer)}`);
  return answer;
}

/** As `reply`; its `data` alone. */
export async function call(socket, event, argument) {
  const answer = await reply(socket, event, argument);
  assert.deepEqual(Object.keys(answer).sort(), ["data", "success"]);
  return answer.data;
}

/** Emits an event that must fail with `code` (and `field`). */
export async function refused(socket, code, event, argument, field) {
  const answer = await ask(socket, event, argument);
  assertFailure(answer, code, field, `${event} ${JSON.stringify(argument)?.slice(0, 200)}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Whatever was sent to `socket` before this resolves has arrived. */
export const drained = (socket) => ask(socket, "leave-chat", "no-such-chat");

/** Waits until `heard` has `count` items, and all that was sent to `socket` meanwhile has arrived: no more came. */
export async function heardAll(socket, heard, count) {
  await until(`${count} are heard`, () => heard.length >= count);
  await drained(socket);
}

/** Connected sockets of `people`, all in the room of `chat`. */
export const inRoom = (t, mode, chat, ...people) =>
  Promise.all(
    people.map(async (person) => {
      const socket = await person.connect(t, mode);
      await call(socket, "join-chat", chat.id);
      return socket;
    }),
  );

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** The claims of a token, unchecked. */
export function claims(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
}

/** Signs `claims` as the server would, or with another secret. */
export function sign(payload, secret = JWT_SECRET, header = { alg: "HS256", typ: "JWT" }) {
  const body = `${base64url(header)}.${base64url(payload)}`;
  const hash = header.alg.replace("HS", "sha");
  return `${body}.${createHmac(hash, secret).update(body).digest("base64url")}`;
}

/** Tokens that must not open anything: name → `{token, code}`. */
export function badTokens(token) {
  const now = Math.floor(Date.now() / 1000);
  const [head, body, signature] = token.split(".");
  return {
    "no token at all": { token: null, code: "unauthenticated" },
    "an empty token": { token: "", code: "unauthenticated" },
    "a word": { token: "not-a-token", code: "unauthenticated" },
    "an expired token": { token: sign({ ...claims(token), iat: now - 7200, exp: now - 3600 }), code: "token-expired" },
    "a token of another secret": { token: sign(claims(token), "another secret that is also long enough"), code: "unauthenticated" },
    "a token with alg none": { token: `${base64url({ alg: "none", typ: "JWT" })}.${body}.`, code: "unauthenticated" },
    "a token with another algorithm": { token: sign(claims(token), JWT_SECRET, { alg: "HS512", typ: "JWT" }), code: "unauthenticated" },
    "a token whose claims were changed": { token: `${head}.${base64url({ ...claims(token), role: "admin" })}.${signature}`, code: "unauthenticated" },
    "a token without expiry": { token: sign({ ...claims(token), exp: undefined }), code: "unauthenticated" },
    "a token without its signature": { token: `${head}.${body}.`, code: "unauthenticated" },
  };
}
