// What is acknowledged outlives the process.
import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { connected } from "../support/client.js";
import { inEveryMode } from "../support/modes.js";
import { Parlance, Person, call } from "../support/parlance.js";
import { Server, binary } from "../support/server.js";
import { assertUser } from "../support/shapes.js";
import { next } from "../support/wait.js";

let app;
before(async () => {
  app = await Parlance.start();
});
after(() => app.stop());

for (const signal of ["SIGTERM", "SIGINT", "SIGKILL"]) {
  test(`accounts, sessions, chats and messages are still there after ${signal}, and seq goes on`, async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.group("Lasting", ben);
    const sent = [];
    for (const content of ["one", "two"]) {
      sent.push(await ann.ok("POST", `/api/chats/${chat.id}/messages`, { content, clientMsgId: content }, 201));
    }
    const before = await ann.ok("GET", `/api/chats/${chat.id}`);
    const end = await app.restart(signal);
    if (signal !== "SIGKILL") assert.deepEqual(end, { code: 0, signal: null });
    assertUser(await ann.ok("GET", "/api/auth/profile"));
    await new Person(app, ben).login();
    assert.deepEqual(await ann.ok("GET", `/api/chats/${chat.id}`), before);
    const { messages } = await ben.ok("GET", `/api/chats/${chat.id}/messages`);
    assert.deepEqual(messages.slice(-2), sent);
    const repeat = await ann.ok("POST", `/api/chats/${chat.id}/messages`, { content: "two", clientMsgId: "two" }, 200);
    assert.equal(repeat.id, sent[1].id);
    const next = await ben.ok("POST", `/api/chats/${chat.id}/messages`, { content: "three" }, 201);
    assert.deepEqual([next.seq, next.rev], [sent[1].seq + 1, sent[1].rev + 1]);
  });
}

inEveryMode("a restart", (mode) => {
  test("the official client comes back by itself and catches up", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const socket = await ben.connect(t, mode);
    const { rev } = await call(socket, "join-chat", chat.id);
    const lost = next(socket, "disconnect");
    await app.restart();
    await lost;
    const missed = await ann.ok("POST", `/api/chats/${chat.id}/messages`, { content: "missed" }, 201);
    await connected(socket);
    const { events } = await call(socket, "join-chat", { chatId: chat.id, rev });
    assert.deepEqual(events.map(({ payload }) => payload.id), [missed.id]);
  });
});

test("the data directory is made when it is missing, its secret for its owner alone", async (t) => {
  const dataDir = path.join(app.dataDir, "deeper", "data");
  const options = { pattern: /^listening on http:\/\/127\.0\.0\.1:(\d+)$/ };
  const server = await Server.start(binary("parlance"), ["--listen", "127.0.0.1:0", "--data-dir", dataDir], options);
  t.after(() => server.stop());
  const modes = {};
  for (const name of await readdir(dataDir)) modes[name] = (await stat(path.join(dataDir, name))).mode & 0o777;
  const secrets = Object.entries(modes).filter(([name]) => /secret|jwt/.test(name));
  assert.deepEqual(secrets.map(([, mode]) => mode), [0o600], JSON.stringify(modes));
});
