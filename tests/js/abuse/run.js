// Attacks a server of its own, one attack after another, while honest people chat. Linux alone.
//
//   node abuse/run.js [--binary FILE] [--memory MB] [--seconds S] [WORDS OF AN ATTACK'S NAME …]
//
// For each it prints the resident memory before, at its height and after, the height of a second attack of
// the same kind, and how long a message takes from one person to another, in quiet and meanwhile. Exit
// status 1 when the server ends, messages stop, or what it holds does not go back to where it was.
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { constants, setPriority, tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { io } from "socket.io-client";
import { deadline } from "../support/wait.js";
import { ATTACKS } from "./attacks.js";

const here = path.dirname(fileURLToPath(import.meta.url));
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    binary: { type: "string", default: path.resolve(here, "../../../target/release/parlance") },
    memory: { type: "string", default: "1024" },
    seconds: { type: "string", default: "10" },
  },
});
const MS = Number(options.seconds) * 1000;
const PAIRS = 6;
/** Below what one person may send, so that no honest message is refused. */
const EVERY_MS = 260;
const SETTLE_MS = 60_000;
/** SQLite opens its readers when they are first wanted. */
const SPARE_DESCRIPTORS = 16;
const pause = (ms) => deadline(performance.now() + ms);

/** The program under a limit of its address space. */
class Program {
  static async start() {
    const program = new Program();
    program.folder = await mkdtemp(path.join(tmpdir(), "parlance-abuse-"));
    const command = 'ulimit -v "$1" && shift && exec "$@"';
    const limit = String(Number(options.memory) * 1024);
    const args = ["-c", command, "sh", limit, options.binary, "--listen", "127.0.0.1:0", "--data-dir", program.folder];
    program.child = spawn("sh", args, { stdio: ["ignore", "pipe", "ignore"] });
    program.ended = new Promise((resolve) => program.child.on("exit", (code, signal) => resolve(signal ?? code)));
    const lines = createInterface({ input: program.child.stdout })[Symbol.asyncIterator]();
    const line = await Promise.race([lines.next().then(({ value }) => value), program.ended]);
    program.port = Number(/:(\d+)$/.exec(line)?.[1]);
    if (!program.port) throw new Error(`the server does not start: ${line}`);
    program.url = `http://127.0.0.1:${program.port}`;
    return program;
  }

  /** A line of /proc/PID/status in kB, as MB. */
  memory(name) {
    const status = readFileSync(`/proc/${this.child.pid}/status`, "utf8");
    return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)[1]) / 1024;
  }

  /** What is open: sessions, sockets, rooms, connections, bytes that wait, and descriptors. */
  async holds() {
    const page = await (await fetch(`${this.url}/metrics`, { headers: { connection: "close" } })).text();
    const names = ["sessions", "sockets", "rooms", "http_connections", "outbox_bytes", "acks_pending"];
    const sum = (name) => [...page.matchAll(new RegExp(`^parlance_${name}(?:\\{.*\\})? (\\d+)`, "gm"))].reduce((all, [, one]) => all + Number(one), 0);
    return Object.fromEntries(names.map((name) => [name, sum(name)]));
  }

  get descriptors() {
    return readdirSync(`/proc/${this.child.pid}/fd`).length;
  }

  async stop() {
    this.child.kill("SIGKILL");
    await this.ended;
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** People who chat in pairs, and how long their messages take. */
class People {
  times = [];
  sent = 0;

  static async join(program) {
    const people = new People();
    people.pairs = await Promise.all(Array.from({ length: PAIRS }, (_, place) => people.#pair(program, place)));
    return people;
  }

  async #pair(program, place) {
    const call = async (route, body, token) => {
      const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
      const response = await fetch(program.url + route, { method: "POST", headers, body: JSON.stringify(body) });
      return (await response.json()).data;
    };
    const register = (name) => call("/api/auth/register", { name, email: `${name}@example.com`, password: "correct horse battery" });
    const [one, other] = await Promise.all([register(`one${place}`), register(`other${place}`)]);
    const { id } = await call("/api/chats", { participantIds: [other.user.id] }, one.token);
    const [from, to] = await Promise.all([one, other].map(async ({ token }) => {
      const socket = io(program.url, { auth: { token }, transports: ["websocket"], forceNew: true });
      await new Promise((resolve) => socket.once("ready", resolve));
      return socket;
    }));
    await to.emitWithAck("join-chat", { chatId: id });
    to.on("new-message", ({ content }) => this.times.push(performance.now() - Number(content)));
    const timer = setInterval(() => {
      this.sent += 1;
      from.emit("send-message", { chatId: id, content: String(performance.now()) });
    }, EVERY_MS);
    return { from, to, timer, token: one.token, chat: id };
  }

  /** The 99th percentile in ms of the messages of a time; `act` is what happens meanwhile. */
  async during(ms, act = () => {}) {
    this.times = [];
    this.sent = 0;
    const end = performance.now() + ms;
    while (performance.now() < end) {
      act();
      await pause(50);
    }
    await pause(200);
    const sorted = this.times.toSorted((one, other) => one - other);
    const lost = this.sent - sorted.length;
    return { p99: sorted[Math.floor(sorted.length * 0.99)] ?? Infinity, lost };
  }

  leave() {
    for (const { from, to, timer } of this.pairs) {
      clearInterval(timer);
      from.disconnect();
      to.disconnect();
    }
  }
}

/** One attack; gives the height of the memory and what the honest people saw. */
async function attack(name, program, people) {
  const attacker = spawn(process.execPath, [path.join(here, "attacker.js"), name], { stdio: ["pipe", "ignore", "ignore"] });
  // An attacker has processors of its own: here it gets what the others leave.
  setPriority(attacker.pid, constants.priority.PRIORITY_LOW);
  const { token, chat } = people.pairs[0];
  attacker.stdin.end(JSON.stringify({ port: program.port, token, chat }));
  let peak = 0;
  const seen = await people.during(MS, () => (peak = Math.max(peak, program.memory("VmRSS"))));
  const gone = new Promise((resolve) => attacker.on("exit", resolve));
  attacker.kill("SIGKILL");
  await gone;
  return { peak, ...seen };
}

/** Waits until the server holds what it held; gives the seconds that took, or what is left. */
async function settled(program, before) {
  const begun = performance.now();
  for (;;) {
    const now = await program.holds();
    const left = Object.keys(before).filter((key) => now[key] > before[key]);
    if (left.length === 0 && program.descriptors <= before.descriptors) return { seconds: (performance.now() - begun) / 1000 };
    if (performance.now() - begun > SETTLE_MS) {
      const what = left.map((key) => `${key} ${now[key]} not ${before[key]}`);
      return { seconds: Infinity, left: what.join(", ") || `${program.descriptors} descriptors` };
    }
    await pause(500);
  }
}

async function judge(name) {
  const program = await Program.start();
  try {
    const people = await People.join(program);
    await people.during(1000);
    // What hashing the passwords took is given back by and by.
    let rss = Infinity;
    const quiet = await people.during(MS, () => (rss = Math.min(rss, program.memory("VmRSS"))));
    const before = { ...(await program.holds()), descriptors: program.descriptors + SPARE_DESCRIPTORS };
    const first = await attack(name, program, people);
    const after = await settled(program, before);
    const rssAfter = program.memory("VmRSS");
    const second = await attack(name, program, people);
    const again = await settled(program, before);
    people.leave();
    const faults = [
      after.left && `left after a minute: ${after.left}`,
      again.left && `left after the second: ${again.left}`,
      first.p99 > 2 * quiet.p99 && "p99 above twice its quiet value",
      second.peak > 1.05 * Math.max(first.peak, rss) && "the second height is above the first by more than 5 %",
      first.lost > PAIRS && `${first.lost} honest messages did not arrive in time`,
    ].filter(Boolean);
    const mb = (value) => value.toFixed(1).padStart(6);
    const ms = (value) => value.toFixed(1).padStart(7);
    console.log(`${name.padEnd(38)} ${mb(rss)} ${mb(first.peak)} ${mb(rssAfter)} ${mb(second.peak)} ${ms(quiet.p99)} ${ms(first.p99)} ${ms(second.p99)} ${after.seconds.toFixed(1).padStart(5)}  ${faults.join("; ")}`);
    return faults;
  } finally {
    await program.stop();
  }
}

const wanted = Object.keys(ATTACKS).filter((name) => positionals.length === 0 || positionals.some((word) => name.includes(word)));
console.log(`${"attack".padEnd(38)}  RSS MB: before, height, after, second height;  p99 ms: quiet, attack, second;  s to settle`);
let faults = 0;
for (const name of wanted) {
  try {
    faults += (await judge(name)).length;
  } catch (error) {
    faults += 1;
    console.log(`${name.padEnd(38)} ${error.message}`);
  }
}
process.exit(faults ? 1 : 0);
