// Starts a server as a child process, learns its port from its first line, stops it by its PID.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { within } from "./wait.js";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../../..");
const target = path.resolve(root, process.env.CARGO_TARGET_DIR ?? "target", "debug");

/** `PARLANCE_REFERENCE=1` runs the scenarios against the official server, to prove that they are right. */
export const REFERENCE = process.env.PARLANCE_REFERENCE === "1";

/** A value on which Parlance differs from the official server on purpose (the "Settled" list). */
export function settled({ official, parlance }) {
  return REFERENCE ? official : parlance;
}

/** What the server promises with its own settings: `--drain-time`, and at most half a minute more. */
const PLANNED_STOP_MS = 32_000;

const running = new Set();
/** The processes that run for this test file. */
export const pids = () => [...running].map((child) => child.pid);
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** A child process that prints its port in a line which `pattern` matches. */
export class Server {
  #child;
  #exited;
  #log = "";

  static async start(command, args, { env = {}, pattern }) {
    const server = new Server();
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    server.#child = child;
    running.add(child);
    server.#exited = new Promise((resolve) => {
      child.on("exit", (code, signal) => {
        running.delete(child);
        resolve({ code, signal });
      });
    });
    child.stderr.on("data", (data) => (server.#log += data));
    const announced = new Promise((resolve, reject) => {
      child.on("error", reject);
      createInterface({ input: child.stdout }).on("line", (line) => {
        const match = pattern.exec(line);
        if (match) resolve(Number(match[1]));
        else server.#log += `${line}\n`;
      });
      server.#exited.then(({ code }) => reject(new Error(`${command} ended with ${code}:\n${server.#log}`)));
    });
    server.port = await within(20_000, `${command} accepts connections`, announced);
    server.url = `http://127.0.0.1:${server.port}`;
    return server;
  }

  /** Runs a command to its end: `{code, signal, log}`. `input` is what it reads. */
  static async run(command, args, { env = {}, input = "" } = {}) {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    running.add(child);
    let log = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (log += data));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    const ended = new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve({ code, signal, log }));
    });
    return within(20_000, `${command} ends`, ended).finally(() => {
      child.kill("SIGKILL");
      running.delete(child);
    });
  }

  /** Everything the process has written beside the line with its port. */
  get log() {
    return this.#log;
  }

  /** Sends `signal` and waits for the end: `{code, signal}`. */
  async stop(signal = "SIGTERM") {
    this.#child.kill(signal);
    return within(PLANNED_STOP_MS, "the server stops", this.#exited);
  }
}

/** The path of a binary that `cargo build` makes. */
export function binary(name) {
  const file = path.join(target, name);
  if (!existsSync(file)) throw new Error(`${file} is missing: build it first (tests/run js does)`);
  return file;
}

/** Starts an example server (or its official twin) on a free port. */
export function startExample(name, env) {
  return REFERENCE ? startOfficial(name, env) : startOurs(name, env);
}

/** Starts our example server on a free port. */
export function startOurs(name, env) {
  return Server.start(binary(`examples/${name}`), [], exampleOptions(env));
}

/** Starts the official twin of an example server on a free port. */
export function startOfficial(name, env) {
  return Server.start(process.execPath, [path.resolve(here, "../reference", `${name}.js`)], exampleOptions(env));
}

function exampleOptions(env = {}) {
  return { env: { PORT: "0", ...env }, pattern: /^ready (\d+)$/ };
}
