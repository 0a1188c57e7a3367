// Tests whose bounds are milliseconds, on a machine that does something else beside them.
import { test as run } from "node:test";

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

/** How long this process has not run although it had to, in ms. */
const standstill = () => lost + since();

/**
 * `test` of node:test. One that fails while this process itself stood still has shown nothing about the server, and is
 * done again; every bound in it holds as it is written.
 */
export function test(name, options, body) {
  if (typeof options === "function") return test(name, {}, options);
  return run(name, options, async (t) => {
    for (let tries = 1; ; tries += 1) {
      const before = standstill();
      try {
        return await body(t);
      } catch (error) {
        const stood = standstill() - before;
        if (stood < NOTICEABLE_MS || tries === TRIES) throw error;
        t.diagnostic(`done again, because this process stood still for ${stood.toFixed()} ms: ${error.message.split("\n")[0]}`);
      }
    }
  });
}
