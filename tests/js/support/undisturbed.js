// Tests whose bounds are milliseconds, on a machine that does something else beside them.
import { readFileSync, readdirSync } from "node:fs";
import { test as run } from "node:test";
import { pids } from "./server.js";

const TICK_MS = 5;
/** A tick that is later than this has been kept waiting. */
const PUNCTUAL_MS = 5;
/** Such a standstill of the whole test decides nothing: pings are 300 ms apart, and pongs have 200. */
const NOTICEABLE_MS = 40;
const TRIES = 4;

let lost = 0;
let seen = performance.now();
const since = () => Math.max(0, performance.now() - seen - TICK_MS - PUNCTUAL_MS);
setInterval(() => {
  lost += since();
  seen = performance.now();
}, TICK_MS).unref();

/** How long the threads of this process and of its servers were ready and had no processor, in ms, where Linux says it. */
function starved() {
  let waited = 0;
  for (const pid of [process.pid, ...pids()]) {
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        waited += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[1]) / 1e6;
      }
    } catch {
      // A thread has ended meanwhile, or this is no Linux.
    }
  }
  return waited;
}

/** How long this process, and it with its servers, have not run although they had to, in ms. */
const standstills = () => [lost + since(), starved()];

/**
 * `test` of node:test. One that fails while the machine gave it no time has shown nothing about the server, and is done
 * again; every bound in it holds as it is written.
 */
export function test(name, options, body) {
  if (typeof options === "function") return test(name, {}, options);
  return run(name, options, async (t) => {
    for (let tries = 1; ; tries += 1) {
      const before = standstills();
      try {
        return await body(t);
      } catch (error) {
        const stood = Math.max(...standstills().map((now, measure) => now - before[measure]));
        if (stood < NOTICEABLE_MS || tries === TRIES) throw error;
        t.diagnostic(`done again, because it stood still for ${stood.toFixed()} ms: ${error.message.split("\n")[0]}`);
      }
    }
  });
}
