// Kills the server at random times under load, and judges the history. Also a program:
//
//   node crash/loop.js [--kills N] [--seed N]
//
// With PARLANCE_TEST_POSTGRES the server keeps its data there. Exit status 1 when a promise is broken.
import { execFileSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Parlance } from "../support/parlance.js";
import { deadline, until } from "../support/wait.js";
import { faults } from "./checker.js";
import { Reader, Writer } from "./people.js";

/** Small and good enough to spread the kills; the same seed gives the same times. */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Runs `kills` kills; `{faults, kills, acknowledged, unknown, refused, stored, recovery}` with recovery times in ms. */
export async function crashLoop({ kills, seed = 1, say = () => {} }) {
  const app = await Parlance.start();
  try {
    return await run(app, kills, random(seed), say);
  } finally {
    await app.stop();
  }
}

async function run(app, kills, chance, say) {
  const people = await app.people("Ann", "Ben", "Cem", "Dea", "Eve", "Fay", "Gus");
  const [ann, ...others] = people;
  const { id } = await ann.group("Crash", ...others);
  const { rev } = await ann.ok("GET", `/api/chats/${id}`);
  const writers = people.slice(0, 4).map((person, place) => new Writer(person, id, {
    retries: place % 2 === 0,
    transports: place === 3 ? ["polling"] : ["websocket"],
  }));
  const readers = people.slice(4).map((person, place) => new Reader(person, id, rev, place === 2 ? { transports: ["polling"] } : {}));
  const recovery = [];
  for (let kill = 1; kill <= kills; kill += 1) {
    const before = acknowledged(writers);
    // Each life of the server does something before it ends, at a time that nobody foresees.
    await until("messages are acknowledged again", () => acknowledged(writers) > before, 30_000);
    await deadline(performance.now() + 20 + 600 * chance());
    const killed = performance.now();
    await app.restart("SIGKILL");
    recovery.push(performance.now() - killed);
    // Tokens outlive the run.
    if (kill % 100 === 0) await Promise.all(people.map((person) => person.login()));
    if (kill % 10 === 0) say(`${kill} kills, ${acknowledged(writers)} acknowledged`);
  }
  return judge(app, { id, ann, writers, readers, recovery, kills });
}

const acknowledged = (writers) => writers.reduce((sum, { ops }) => sum + ops.filter(({ outcome }) => outcome === "ok").length, 0);

async function judge(app, { id, ann, writers, readers, recovery, kills }) {
  await Promise.all(writers.map((writer) => writer.stop()));
  const { rev } = await ann.ok("GET", `/api/chats/${id}`);
  await until("readers have heard everything", () => {
    const late = readers.filter((reader) => reader.rev < rev);
    late.forEach((reader) => reader.nudge());
    return late.length === 0;
  }, 30_000);
  readers.forEach((reader) => reader.stop());
  for (const reader of readers) {
    const chat = await reader.person.ok("GET", `/api/chats/${id}`);
    reader.finalReadSeq = chat.readSeq;
  }
  const stored = await history(ann, id);
  const ops = writers.flatMap((writer) => writer.ops);
  const count = (outcome) => ops.filter((op) => op.outcome === outcome).length;
  return {
    faults: [...faults({ ops, readers, stored }), ...integrityFaults(app)],
    kills,
    acknowledged: count("ok"),
    unknown: count("unknown"),
    refused: count("refused"),
    stored: stored.length,
    recovery,
  };
}

async function history(person, id) {
  const messages = [];
  for (;;) {
    const page = await person.ok("GET", `/api/chats/${id}/messages?limit=100&after=${messages.at(-1)?.seq ?? 0}`);
    messages.push(...page.messages);
    if (!page.hasMoreAfter) return messages;
  }
}

/** SQLite's own check of a file, where its command line is installed. */
function integrityFaults(app) {
  if (app.database.length > 0) return [];
  try {
    const said = execFileSync("sqlite3", [path.join(app.dataDir, "parlance.db"), "PRAGMA integrity_check; PRAGMA foreign_key_check"], { encoding: "utf8" });
    return said.trim() === "ok" ? [] : [`the file is damaged: ${said}`];
  } catch (error) {
    if (error.code === "ENOENT") return [];
    throw error;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { kills: { type: "string", default: "20" }, seed: { type: "string", default: String(Date.now()) } } });
  console.log(`seed ${values.seed}`);
  const result = await crashLoop({ kills: Number(values.kills), seed: Number(values.seed), say: console.log });
  const sorted = result.recovery.toSorted((a, b) => a - b);
  const ms = (part) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]);
  console.log({ ...result, recovery: { p50: ms(0.5), p99: ms(0.99), max: ms(1) }, faults: result.faults.slice(0, 20) });
  process.exit(result.faults.length === 0 ? 0 : 1);
}
