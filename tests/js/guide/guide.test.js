// Does what the guides say: their commands and programs are taken out of the pages and run.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Server, binary } from "../support/server.js";

const here = path.dirname(fileURLToPath(import.meta.url));
const guides = path.resolve(here, "../../../docs/guide");
const LISTENING = /^listening on http:\/\/(?:127\.0\.0\.1|localhost):(\d+)$/;
const URL_IN_GUIDES = "http://localhost:3000";

/** The fenced blocks of a page that are marked: `{language, mark, text}`; the mark is what follows the language. */
async function blocks(page) {
  const text = await readFile(path.join(guides, page), "utf8");
  const found = [...text.matchAll(/^```(\w+) ([^\n]+)\n(.*?)^```$/gms)];
  return found.map(([, language, mark, body]) => ({ language, mark, text: body }));
}

/** A folder in which a page is followed; programs in it find the client's package. */
async function follow(t, page) {
  const folder = await mkdtemp(path.join(here, "../node_modules/.guide-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const env = {
    PATH: `${path.dirname(binary("parlance"))}:${process.env.PATH}`,
    PARLANCE_LISTEN: "127.0.0.1:0",
    PARLANCE_DATA_DIR: path.join(folder, "data"),
  };
  return { folder, env, url: URL_IN_GUIDES, blocks: await blocks(page) };
}

/** Writes the blocks with a file's name, in order; parts of one file follow each other. */
async function writeFiles({ folder, blocks, url }) {
  for (const { mark, text } of blocks) {
    const file = /^file=(\S+)$/.exec(mark)?.[1];
    if (file) await appendFile(path.join(folder, file), text.replaceAll(URL_IN_GUIDES, url));
  }
}

/** Starts the server as the page says; its exported variables are those of what follows. */
async function startServer(t, guide) {
  const { text } = guide.blocks.find(({ mark }) => mark === "server");
  for (const [, name, value] of text.matchAll(/^export (\w+)="(.*)"$/gm)) guide.env[name] = value;
  const command = text.replace(/^parlance/m, `cd ${guide.folder} && exec parlance`);
  const server = await Server.start("bash", ["-c", command], { env: guide.env, pattern: LISTENING });
  t.after(() => server.stop());
  guide.url = server.url;
}

function run({ folder, env }, command, ...args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: folder, env, encoding: "utf8", timeout: 30_000 });
  assert.equal(status, 0, `${command} ${args.join(" ")}: ${error ?? ""}\n${stdout}\n${stderr}`);
  return stdout;
}

const LANGUAGES = [
  { language: "Node", command: process.execPath, file: "token.mjs" },
  { language: "Python", command: "python3", file: "token.py" },
  { language: "PHP", command: "php", file: "token.php" },
];

for (const { language, command, file } of LANGUAGES) {
  test(`embed: a token that ${language} has signed is enough to chat`, async (t) => {
    if (spawnSync(command, ["--version"]).error) return t.skip(`${command} is not installed`);
    const guide = await follow(t, "embed.md");
    await startServer(t, guide);
    await writeFiles(guide);
    const { text } = guide.blocks.find(({ mark }) => mark === "run");
    const chat = text.replaceAll("node token.mjs", `${command} ${file}`);
    assert.equal(run(guide, "bash", "-ec", chat), "Ann: Hello, Ben\n");
  });
}

test("events: the tutorial prints what it says", async (t) => {
  const guide = await follow(t, "events.md");
  await startServer(t, guide);
  await writeFiles(guide);
  const output = guide.blocks.find(({ mark }) => mark === "output").text;
  assert.equal(run(guide, process.execPath, "tutorial.mjs"), output);
});

test("operating: every command succeeds, in order", async (t) => {
  const guide = await follow(t, "operating.md");
  // The page's own file says where it listens and where its data is.
  delete guide.env.PARLANCE_LISTEN;
  delete guide.env.PARLANCE_DATA_DIR;
  await writeFiles(guide);
  const outputs = [];
  for (const { mark, text } of guide.blocks) {
    if (mark === "server") await startServer(t, guide);
    if (mark === "run") outputs.push(run(guide, "bash", "-ec", text.replaceAll(URL_IN_GUIDES, guide.url)));
  }
  assert.match(outputs[0], /^registration +closed$/m);
  assert.match(outputs[1], /^created admin /);
  assert.match(outputs[2], /^good  database/m);
  assert.match(outputs[3], /"ready".*^parlance_sessions\{transport="websocket"\} 0$/ms);
  assert.match(outputs[4], /^\$argon2id\$/);
  assert.match(outputs[5], /^copied /);
});

test("migrating: the page that has both servers speaks to the new one", async (t) => {
  const guide = await follow(t, "migrating.md");
  guide.blocks.push({ mark: "server", text: "parlance --rate-limits off\n" });
  await startServer(t, guide);
  await writeFiles(guide);
  const { openChat } = await import(pathToFileURL(path.join(guide.folder, "both.mjs")));
  const people = [];
  for (const name of ["Ann", "Ben"]) {
    const body = JSON.stringify({ name, email: `${name}@example.com`, password: "a long enough password" });
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${guide.url}/api/auth/register`, { method: "POST", headers, body });
    people.push((await response.json()).data);
  }
  const [ann, ben] = people;
  const headers = { "content-type": "application/json", authorization: `Bearer ${ann.token}` };
  const body = JSON.stringify({ participantIds: [ben.user.id] });
  const made = await (await fetch(`${guide.url}/api/chats`, { method: "POST", headers, body })).json();
  const heard = Promise.withResolvers?.() ?? (() => {
    const deferred = {};
    deferred.promise = new Promise((resolve) => (deferred.resolve = resolve));
    return deferred;
  })();
  const chat = openChat({ parlance: true, token: ben.token, onMessage: heard.resolve });
  t.after(() => chat.socket.disconnect());
  await chat.open(made.data.id);
  await chat.send(made.data.id, "Moved");
  const message = await heard.promise;
  assert.deepEqual([message.room, message.content], [made.data.id, "Moved"]);
});
