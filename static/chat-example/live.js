// The connection: live events, and what was missed while there was none.
// The page is in the room of the open chat only; of the others it hears by
// notifications, and asks for their changes with `sync`.

import { api, chatPath, me, onSession, renew, token } from './session.js';
import {
  addChat, changed, dropChat, follow, followAhead, mergePage, on, openChat, others, receipt, resetChat, state, tell,
} from './store.js';

const ACK_TIMEOUT_MS = 10_000;
const TYPING_REPEAT_MS = 3_000; // the server forgets "is typing" after 6 s
const TYPING_SHOWN_MS = 7_000;
const PRESENCE_BATCH = 100;
const RECEIPT_BATCH = 100;
const RECEIPT_PAUSE_MS = 200;
export const HISTORY_PAGE = 50;

let socket = null;
export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
export const isConnected = () => Boolean(socket?.connected);

/** A request over the socket; gives the whole answer, or throws when none comes. */
export const ask = (event, body) => socket.timeout(ACK_TIMEOUT_MS).emitWithAck(event, body);

export function connect() {
  const wanted = new URLSearchParams(location.search).get('transports');
  socket = window.io({ auth: (give) => give({ token: token() }), ...(wanted && { transports: wanted.split(',') }) });
  onSession({
    renewed: (next) => isConnected() && socket.emit('refresh-token', { token: next }, () => {}),
    ended: () => socket.disconnect(),
  });
  socket.on('connect', start);
  socket.on('disconnect', (reason) => {
    setConnection('reconnecting');
    // The server ends a connection whose token ran out; others come back by themselves.
    if (reason === 'io server disconnect') renewAndConnect();
  });
  socket.on('connect_error', (error) => {
    setConnection('reconnecting');
    if (error.data?.code) renewAndConnect();
  });
  for (const [event, act] of Object.entries(events)) socket.on(event, act);
  for (const event of ['new-message', 'message-updated', 'message-deleted', 'reaction-updated', 'chat-updated']) {
    socket.on(event, (payload) => heard(payload.chatId, { rev: payload.rev, event, payload }));
  }
}

async function renewAndConnect() {
  try {
    await renew();
    socket.connect();
  } catch {
    if (me()) setTimeout(() => socket.connect(), 3_000);
  }
}

function setConnection(next) {
  if (state.connection === next) return;
  state.connection = next;
  changed();
}

const known = (chatId) => state.chats.get(chatId);

const events = {
  ready: ({ limits }) => Object.assign(state.limits, limits),
  error: (failure) => tell('failed', failure),
  'token-expiring': () => renew().catch(() => {}),
  'sync-required': ({ chatId }) => known(chatId) && catchUp(known(chatId)),
  'server-draining': () => setConnection('reconnecting'),
  'message-read': ({ chatId, userId, seq }) => receipt(chatId, userId, 'readSeq', seq),
  'message-delivered': ({ chatId, userId, seq }) => receipt(chatId, userId, 'deliveredSeq', seq),
  'unread-updated'({ chatId, unreadCount, readSeq }) {
    const chat = known(chatId);
    if (!chat || readSeq < chat.readSeq) return;
    Object.assign(chat, { unreadCount, readSeq });
    if (readSeq > chat.lastSeq) catchUp(chat); // read or written on another device
    changed();
  },
  'presence-updated': (one) => { state.presence.set(one.userId, one); changed(); },
  'user-typing': heardTyping,
  'user-joined': ({ chatId, name }) => passing(chatId, `${name} is here`),
  'user-left': ({ chatId, userId, name }) => {
    known(chatId)?.typing.delete(userId);
    passing(chatId, `${name} went away`);
  },
  notification: notified,
};

// -------------------------------------------------------------- catching up

async function start() {
  try {
    const loaded = [...state.chats.values()].filter((chat) => chat.loaded);
    await loadChats();
    await syncAll(loaded);
    if (openChat()) await catchUp(openChat());
    await loadInbox();
  } catch {
    // The connection line tells it; the client comes back when it can.
  }
  watched.clear();
  if (isConnected()) setConnection('connected');
  watchPresence();
  tell('connected');
}

/** The list, as far as it was loaded; what is known already is brought up to date by its log. */
export async function loadChats(cursor = null) {
  const query = new URLSearchParams({ limit: '50', ...(cursor && { cursor }) });
  const page = await api('GET', `/api/chats?${query}`);
  const there = new Set(page.chats.map((one) => one.id));
  page.chats.forEach(addChat);
  state.moreChats = page.nextCursor ?? null;
  if (!cursor && !page.nextCursor) for (const id of state.chats.keys()) if (!there.has(id)) dropChat(id);
  tell('listed');
  changed();
}

async function syncAll(chats) {
  if (chats.length === 0) return;
  const positions = Object.fromEntries(chats.slice(0, 200).map((chat) => [chat.id, chat.rev]));
  const reply = await ask('sync', { positions });
  if (!reply.success) return;
  for (const [id, answer] of Object.entries(reply.data.chats)) {
    if (known(id) && await absorb(known(id), answer)) catchUp(known(id));
  }
}

/** Something of a chat's log has come; when something before it is missing, that is fetched. */
function heard(chatId, change) {
  const chat = known(chatId);
  if (chat && follow(chat, change) === 'gap') catchUp(chat);
}

/**
 * Fetches what was missed in a chat. The open one is joined by that: the server puts us into the room before it reads
 * its log, so nothing falls between.
 */
export function catchUp(chat) {
  chat.catching ??= (async () => {
    while (isConnected() && known(chat.id)) {
      const reply = await askMissed(chat);
      const { error } = reply;
      if (error?.code === 'not-found') return dropChat(chat.id);
      if (error && !error.retryable) return;
      if (error) await pause(error.retryAfterMs ?? 1_000);
      else if (!await absorb(chat, reply.data)) return;
    }
  })().catch(() => {}).finally(() => { chat.catching = null; });
  return chat.catching;
}

async function askMissed(chat) {
  if (chat.id === state.openId) return ask('join-chat', { chatId: chat.id, rev: chat.rev });
  const reply = await ask('sync', { positions: { [chat.id]: chat.rev } });
  return reply.success ? { data: reply.data.chats[chat.id], error: reply.data.chats[chat.id].error } : reply;
}

// Takes an answer of join-chat or sync; gives whether there is more to ask for.
async function absorb(chat, answer) {
  if (answer.error) return answer.error.code === 'not-found' && dropChat(chat.id);
  if (answer.reset) {
    resetChat(chat, await api('GET', chatPath(chat.id)));
    if (chat.id === state.openId) await loadMessages(chat);
  }
  for (const change of answer.events) follow(chat, change);
  return followAhead(chat) || answer.more;
}

export function joinOpen(chat) {
  if (!isConnected()) return;
  catchUp(chat);
  // Receipts are not in the log.
  api('GET', chatPath(chat.id)).then((fresh) => known(fresh.id) && addChat(fresh)).catch(() => {});
  watchPresence();
}

export const leaveRoom = (chat) => isConnected() && socket.emit('leave-chat', { chatId: chat.id }, () => {});

// ------------------------------------------------------------------ history

/** The newest messages, or those around a seq. */
export function loadMessages(chat, around = null) {
  chat.loading ??= fetchPage(chat, around ? { around } : {}, true).finally(() => { chat.loading = null; changed(); });
  return chat.loading;
}

/** One page more at an end of the window: `before` or `after`. Gives whether something came. */
export async function loadMore(chat, side) {
  if (!chat?.loaded || chat.loading || !chat[side === 'before' ? 'hasMoreBefore' : 'hasMoreAfter']) return false;
  const edge = side === 'before' ? chat.messages[0] : chat.messages.at(-1);
  chat.loading = fetchPage(chat, { [side]: edge.seq });
  changed();
  try {
    await chat.loading;
    return true;
  } finally {
    chat.loading = null;
    changed();
  }
}

async function fetchPage(chat, where, afresh = false) {
  const query = new URLSearchParams({ limit: HISTORY_PAGE, ...where });
  const page = await api('GET', `${chatPath(chat.id, 'messages')}?${query}`);
  if (afresh) Object.assign(chat, { messages: [], loaded: true });
  if (where.before === undefined) chat.hasMoreAfter = page.hasMoreAfter;
  if (where.after === undefined) chat.hasMoreBefore = page.hasMoreBefore;
  mergePage(chat, page);
}

// ----------------------------------------------------- typing, who is there

let typingSent = 0;

export function tellTyping(chat, isTyping) {
  if (!chat || !isConnected()) return;
  if (isTyping ? Date.now() - typingSent < TYPING_REPEAT_MS : !typingSent) return;
  typingSent = isTyping ? Date.now() : 0;
  socket.emit('typing', { chatId: chat.id, isTyping }, () => {});
}

function heardTyping({ chatId, userId, name, isTyping }) {
  const chat = known(chatId);
  if (!chat) return;
  clearTimeout(chat.typing.get(userId)?.timer);
  chat.typing.delete(userId);
  if (isTyping) {
    const timer = setTimeout(() => { chat.typing.delete(userId); changed(); }, TYPING_SHOWN_MS);
    chat.typing.set(userId, { name, timer });
  }
  changed();
}

// Shown for a moment where the typing line is.
function passing(chatId, text) {
  const chat = known(chatId);
  if (!chat) return;
  chat.note = text;
  setTimeout(() => { if (chat.note === text) chat.note = ''; changed(); }, 3_500);
  changed();
}

const watched = new Set();

/** Subscribes to the people of direct chats and of the open chat. */
export async function watchPresence() {
  if (!isConnected()) return;
  const shown = [...state.chats.values()].filter((chat) => !chat.isGroup || chat.id === state.openId);
  const wanted = [...new Set(shown.flatMap((chat) => others(chat).map((one) => one.userId)))].filter((id) => !watched.has(id));
  const userIds = wanted.slice(0, PRESENCE_BATCH);
  if (userIds.length === 0) return;
  userIds.forEach((id) => watched.add(id));
  const reply = await ask('subscribe-presence', { userIds }).catch(() => null);
  for (const one of reply?.data?.presence ?? []) state.presence.set(one.userId, one);
  changed();
}

// ----------------------------------------------------------------- receipts

// Coalesced: what comes in one breath is told in one message. It waits for a
// connection, and is told again until there is an answer.
function later(send) {
  const waiting = new Map();
  let timer = 0;
  const note = (chatId, seq) => waiting.set(chatId, Math.max(seq, waiting.get(chatId) ?? 0));
  const soon = (ms = RECEIPT_PAUSE_MS) => { timer ||= setTimeout(flush, ms); };
  async function flush() {
    timer = 0;
    if (!isConnected() || waiting.size === 0) return;
    const items = [...waiting].slice(0, RECEIPT_BATCH);
    for (const [chatId] of items) waiting.delete(chatId);
    const reply = await send(items).catch(() => null);
    const again = !reply || reply.error?.retryable;
    if (again) for (const [chatId, seq] of items) note(chatId, seq);
    if (waiting.size) soon(again ? reply?.error.retryAfterMs ?? 1_000 : RECEIPT_PAUSE_MS);
  }
  on('connected', () => soon());
  return (chatId, seq) => { note(chatId, seq); soon(); };
}

export const markDelivered = later((items) =>
  ask('mark-delivered', { items: items.map(([chatId, seq]) => ({ chatId, seq })) }));

const tellRead = later(async (items) => {
  for (const [chatId, seq] of items) {
    const reply = await ask('mark-read', { chatId, seq });
    if (reply.error?.retryable) return reply;
    const chat = known(chatId);
    if (chat && reply.data?.readSeq >= chat.readSeq) Object.assign(chat, reply.data);
  }
  changed();
  return {};
});

/** The person has seen everything up to `seq`. */
export function markRead(chat, seq) {
  if (seq <= chat.readSeq) return;
  chat.readSeq = seq;
  if (seq === chat.lastSeq) chat.unreadCount = 0;
  tellRead(chat.id, seq);
  changed();
}

on('message', (chat, message) => markDelivered(chat.id, message.seq));
on('listed', () => {
  for (const chat of state.chats.values()) {
    const mine = chat.participants.find((one) => one.userId === me().id);
    if (mine && Math.max(mine.deliveredSeq ?? 0, chat.readSeq) < chat.lastSeq) markDelivered(chat.id, chat.lastSeq);
  }
});

// ------------------------------------------------------------ notifications

async function notified(one) {
  const seen = one.chatId === state.openId && document.visibilityState === 'visible';
  const { inbox } = state;
  inbox.items = [{ ...one, readAt: null }, ...inbox.items.filter((known) => known.id !== one.id)];
  inbox.unread += 1;
  if (seen) markInbox([one.id]);
  changed();
  if (one.message) return heard(one.chatId, { rev: one.message.rev, event: 'new-message', payload: one.message });
  if (one.type === 'participant-removed' && one.user?.id === me().id) {
    tell('told', one, known(one.chatId));
    return dropChat(one.chatId);
  }
  await (known(one.chatId) ? one.chatId !== state.openId && catchUp(known(one.chatId)) : fetchChat(one.chatId));
  tell('told', one, known(one.chatId));
  watchPresence();
}

async function fetchChat(id) {
  const summary = await api('GET', chatPath(id)).catch(() => null);
  return summary && addChat(summary);
}

export async function loadInbox(cursor = null) {
  const query = new URLSearchParams({ limit: '30', ...(cursor && { cursor }) });
  const page = await api('GET', `/api/notifications?${query}`);
  const { inbox } = state;
  inbox.items = cursor ? [...inbox.items, ...page.notifications] : page.notifications;
  Object.assign(inbox, { nextCursor: page.nextCursor ?? null, unread: page.unreadCount });
  changed();
}

/** Marks these notifications as read, or all. */
export async function markInbox(ids = null) {
  const { inbox } = state;
  if (ids?.length === 0) return;
  inbox.items = inbox.items.map((one) => (!ids || ids.includes(one.id) ? { ...one, readAt: one.readAt ?? new Date().toISOString() } : one));
  const { unreadCount } = await api('POST', '/api/notifications/read', ids ? { ids } : { all: true });
  inbox.unread = unreadCount;
  changed();
}

/** Who opens a chat has read what they were told of it. */
export const markInboxOf = (chatId) =>
  markInbox(state.inbox.items.filter((one) => one.chatId === chatId && !one.readAt).map((one) => one.id)).catch(() => {});
