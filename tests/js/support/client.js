// The official client, opened for one test and closed with it.
import { NEWEST } from "./modes.js";
import { next, step, until, within } from "./wait.js";

/** A socket of its own connection; it is closed at the end of the test `t`. */
export function open(t, url, mode, options = {}) {
  const { io, options: ofClient } = mode.io ? mode : NEWEST;
  const socket = io(url, {
    transports: mode.transports,
    forceNew: true,
    reconnectionDelay: 20,
    reconnectionDelayMax: 50,
    ...ofClient,
    ...options,
  });
  t.after(() => {
    socket.io.reconnection(false);
    socket.disconnect();
    socket.io._close();
  });
  return socket;
}

/** As `open`, and connected. */
export async function connect(t, url, mode, options) {
  const socket = open(t, url, mode, options);
  await connected(socket);
  return socket;
}

export async function connected(socket) {
  if (!socket.connected) await next(socket, "connect");
  return socket;
}

/** Waits until the transport is the last one of the mode: the upgrade is done, where there is one. */
export function settledTransport(socket, mode) {
  const wanted = mode.transports.at(-1);
  return until(`transport is ${wanted}`, () => socket.io.engine?.transport.name === wanted);
}

/** Emits and resolves with what the acknowledgement carries (several arguments: an array). */
export function ask(socket, name, ...args) {
  // Not with `socket.timeout`, which the oldest client lacks.
  const answered = new Promise((resolve) => {
    socket.emit(name, ...args, (...answer) => resolve(answer.length > 1 ? answer : answer[0]));
  });
  return within(step(), `"${name}" is acknowledged`, answered);
}
