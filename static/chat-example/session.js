// Who is logged in, and requests in that person's name. The session is kept
// per tab, so that two tabs can be two people.

const KEY = 'parlance';
const ENDED = 'parlance-ended';
const RENEW_BEFORE_MS = 75_000; // the server warns 60 s before a token ends

let session = JSON.parse(sessionStorage.getItem(KEY) ?? 'null'); // {user, token, expiresAt, refreshToken}
let renewing = null;
let timer = 0;
const hooks = { renewed: () => {}, ended: () => {} };

/** The person at this page: `{id, name, email, role}`, or null. */
export const me = () => session?.user ?? null;
export const token = () => session?.token;

/** What to do when there is a new token (`renewed`), and when the session is over (`ended`). */
export const onSession = (acts) => Object.assign(hooks, acts);

/** A failure as the server tells it: `code`, `field`, `retryable`, `retryAfterMs`, and the HTTP `status`. */
export class Refused extends Error {
  constructor(reply, status) {
    super(reply?.message ?? 'The server did not answer as expected');
    Object.assign(this, reply?.error, { status });
  }
}

/** Keeps a session and renews its token in time. */
export function keepSession(next) {
  session = next;
  clearTimeout(timer);
  if (!next) return sessionStorage.removeItem(KEY);
  sessionStorage.setItem(KEY, JSON.stringify(next));
  const left = new Date(next.expiresAt) - Date.now() - RENEW_BEFORE_MS;
  timer = setTimeout(() => renew().catch(() => {}), Math.max(left, 5_000));
}

/** One request; gives the `data` of the answer, or throws [`Refused`]. */
export async function call(method, path, body) {
  const headers = {};
  if (body) headers['Content-Type'] = 'application/json';
  if (session) headers.Authorization = `Bearer ${session.token}`;
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Refused({ message: 'The server cannot be reached', error: { code: 'offline', retryable: true } }, 0);
  }
  const reply = await response.json().catch(() => null);
  if (!reply?.success) throw new Refused(reply, response.status);
  return reply.data;
}

/** A request in the name of the person; a token that ran out is renewed once. */
export async function api(method, path, body) {
  try {
    return await call(method, path, body);
  } catch (error) {
    if (error.status !== 401 || error.code === 'invalid-credentials') throw error;
    await renew();
    return call(method, path, body);
  }
}

/** The path of a chat, or of something in it. */
export const chatPath = (id, ...rest) => ['/api/chats', ...[id, ...rest].map(encodeURIComponent)].join('/');

/** Gets a new token. A refresh token works once, so everybody waits for the same answer. */
export function renew() {
  renewing ??= call('POST', '/api/auth/refresh', { refreshToken: session?.refreshToken })
    .then((next) => {
      keepSession({ ...session, ...next });
      hooks.renewed(session.token);
    })
    .catch((error) => {
      if (error.status === 401 || error.status === 400) endSession(true);
      throw error;
    })
    .finally(() => { renewing = null; });
  return renewing;
}

/** Back to the door, where it is told when the person did not ask for it. */
export function endSession(unasked = false) {
  if (unasked) sessionStorage.setItem(ENDED, 'true');
  keepSession(null);
  hooks.ended();
  history.replaceState(null, '', location.pathname + location.search);
  location.reload();
}

/** Whether the last session ended by itself; said once. */
export function endedUnasked() {
  const ended = sessionStorage.getItem(ENDED) !== null;
  sessionStorage.removeItem(ENDED);
  return ended;
}

export async function logout() {
  await api('POST', '/api/auth/logout').catch(() => {});
  endSession();
}
