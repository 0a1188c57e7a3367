// Waiting for a condition, never for a time: every wait ends as soon as what it waits for is there, and fails at its bound.

/** Two cores that compile beside the tests: what takes one millisecond alone may take fifty. */
export const PROMPT_MS = 150;
/** For a whole scenario step: a round trip, a login, a reconnection. */
let stepMs = 5000;
export const step = () => stepMs;

/** Sets the bound of the steps of a test file: well under the heartbeat of its server, so that no time-out passes for a close. */
export function stepsWithin(ms) {
  stepMs = ms;
}

/** Turns of the event loop in which what has come already makes its way through the layers of a client. */
const TURNS = 8;

/**
 * `promise`, or a failure that names `what` when it takes longer than `bound` ms. Timers go before the network in the
 * event loop: where this process itself was kept waiting, what has come meanwhile is let in before anybody is late.
 */
export async function within(bound, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(async () => {
      for (let turn = 0; turn < TURNS; turn += 1) await new Promise(setImmediate);
      reject(new Error(`${what}: not within ${bound} ms`));
    }, bound);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves at the moment `at` (`performance.now()` scale): for rules that are about time itself, such as a ping time-out. */
export function deadline(at) {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, at - performance.now())));
}

/** Asks `probe` until it gives something true; that is the result. The last time is asked behind the bound. */
export async function until(what, probe, bound = stepMs) {
  const end = performance.now() + bound;
  for (;;) {
    const isLast = performance.now() > end;
    const found = await probe();
    if (found) return found;
    if (isLast) throw new Error(`${what}: not within ${bound} ms`);
    await deadline(performance.now() + 5);
  }
}

/** The arguments of the next `name` of `emitter` (one argument: itself) for which `accept` holds. */
export function next(emitter, name, { bound = stepMs, accept = () => true } = {}) {
  let listener;
  const heard = new Promise((resolve) => {
    listener = (...args) => {
      if (accept(...args)) resolve(args.length > 1 ? args : args[0]);
    };
    emitter.on(name, listener);
  });
  return within(bound, `event "${name}"`, heard).finally(() => emitter.off(name, listener));
}

/** Collects every `name` of `emitter` from now on, in order. */
export function record(emitter, name) {
  const heard = [];
  emitter.on(name, (...args) => heard.push(args.length > 1 ? args : args[0]));
  return heard;
}
