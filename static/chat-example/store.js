// What is known, and how the server's events change it. Nothing here draws or
// talks; views ask, and are told when something has changed.
//
// A chat is the server's Chat with these beside it:
//   messages       a window of the history without holes, ascending seq
//   hasMoreBefore, hasMoreAfter, loaded    where the window ends
//   pending        what was written here and is not known to be stored
//   typing         userId → {name}
//   draft          {text, replyTo, mentions} of the composer
//   freshAfter     the seq after which the "New" line stands

import { me } from './session.js';

const RECENT_EVENTS = 300;
const MAX_AHEAD = 500;
const MAX_WINDOW = 300; // messages of a chat that are kept and drawn
const UNREAD_CAP = 100; // the server counts no further

export const state = {
  chats: new Map(),
  moreChats: null, // cursor of the rest of the list
  openId: null,
  connection: 'connecting', // | 'connected' | 'reconnecting'
  presence: new Map(), // userId → {status, lastSeenAt}
  inbox: { items: [], nextCursor: null, unread: 0, loaded: false },
  editing: null, // {chatId, id, version, text}
  limits: { content: 4000, name: 100, mentions: 50, editWindowMs: 24 * 3600_000, typingMs: 6000 },
};

// ------------------------------------------------------------- who is told

const hooks = { change: [], message: [], dropped: [], pending: [], listed: [], connected: [], told: [], failed: [] };

/** `change`; `message` (chat, message): news of somebody else; `told` (notification, chat); `failed` (failure); … */
export const on = (name, act) => hooks[name].push(act);
export const tell = (name, ...args) => hooks[name].forEach((act) => act(...args));

let scheduled = false;

/** Has the page drawn anew, once a frame at most. A hidden page gets no frames, but has a title. */
export function changed() {
  if (scheduled) return;
  scheduled = true;
  const draw = () => { scheduled = false; tell('change'); };
  if (document.hidden) setTimeout(draw, 50);
  else requestAnimationFrame(draw);
}

// ---------------------------------------------------------------- questions

export const openChat = () => state.chats.get(state.openId);
export const others = (chat) => chat.participants.filter((one) => one.userId !== me().id);
export const isMine = (message) => message.senderId === me().id;
export const myRole = (chat) => chat.participants.find((one) => one.userId === me().id)?.role;
export const titleOf = (chat) => chat.name ?? others(chat)[0]?.name ?? 'Nobody else';
export const isOnline = (userId) => userId === me().id || state.presence.get(userId)?.status === 'online';

const activity = (chat) => +new Date(chat.pending.at(-1)?.createdAt ?? chat.lastMessage?.createdAt ?? chat.createdAt);
export const byActivity = () => [...state.chats.values()].sort((a, b) => activity(b) - activity(a));

/** What the person may do in a chat (CONTRACT section 4). */
export function rightsIn(chat) {
  const role = myRole(chat);
  const admin = me().role === 'admin';
  const leads = role === 'owner' || role === 'moderator' || admin;
  return {
    rename: chat.isGroup && leads,
    add: chat.isGroup,
    roles: chat.isGroup && (role === 'owner' || admin),
    remove: (one) => chat.isGroup && leads && one.userId !== me().id && (one.role !== 'owner' || admin),
    delete: (message) => canTouch(message) && (isMine(message) || leads),
    edit: (message) => canTouch(message) && isMine(message)
      && Date.now() - new Date(message.createdAt) < state.limits.editWindowMs,
  };
}

const canTouch = (message) => message.type === 'text' && message.seq && !message.deletedAt;

/** How far an own message has come: `sent`, `delivered` or `read` (by all), and by whom it was read. */
export function progressOf(chat, message) {
  const people = others(chat);
  const readBy = people.filter((one) => one.readSeq >= message.seq);
  const reached = people.filter((one) => Math.max(one.deliveredSeq, one.readSeq) >= message.seq);
  const all = (some) => people.length > 0 && some.length === people.length;
  return { step: all(readBy) ? 'read' : all(reached) ? 'delivered' : 'sent', readBy };
}

// -------------------------------------------------------------------- chats

const blank = () => ({
  messages: [], loaded: false, loading: null, hasMoreBefore: false, hasMoreAfter: false,
  recent: [], ahead: [], catching: null, pending: [], typing: new Map(),
  draft: { text: '', replyTo: null, mentions: new Map() }, freshAfter: null, note: '',
});

/** A chat that the server has told of; one that was known and shown keeps its place in the log. */
export function addChat(summary) {
  const known = state.chats.get(summary.id);
  if (known?.loaded) return mergeSummary(known, summary);
  const chat = Object.assign(known ?? blank(), summary);
  state.chats.set(chat.id, chat);
  tell('pending');
  changed();
  return chat;
}

function mergeSummary(chat, summary) {
  chat.participants = mergeReceipts(chat.participants, summary.participants);
  // What was read here may not have been told yet.
  if (summary.rev === chat.rev && summary.readSeq >= chat.readSeq) chat.unreadCount = summary.unreadCount;
  chat.readSeq = Math.max(chat.readSeq, summary.readSeq);
  changed();
  return chat;
}

// Receipts are not in the log of changes: the higher is the newer.
function mergeReceipts(known, next) {
  const before = new Map(known.map((one) => [one.userId, one]));
  return next.map((one) => {
    const old = before.get(one.userId);
    return !old ? one : {
      ...one,
      readSeq: Math.max(one.readSeq ?? 0, old.readSeq ?? 0),
      deliveredSeq: Math.max(one.deliveredSeq ?? 0, old.deliveredSeq ?? 0),
    };
  });
}

export function dropChat(id) {
  const chat = state.chats.get(id);
  if (!chat) return;
  state.chats.delete(id);
  tell('dropped', chat);
  changed();
}

/** The server cannot say what was missed: everything of the chat is as it says now. */
export function resetChat(chat, summary) {
  Object.assign(chat, summary, { messages: [], loaded: false, hasMoreBefore: false, hasMoreAfter: false, recent: [] });
  chat.ahead = chat.ahead.filter((one) => one.rev > chat.rev);
  changed();
}

/** A receipt of somebody, which only ever rises. */
export function receipt(chatId, userId, field, seq) {
  const chat = state.chats.get(chatId);
  if (!chat) return;
  chat.participants = chat.participants.map((one) =>
    one.userId === userId && one[field] < seq ? { ...one, [field]: seq } : one);
  changed();
}

// ----------------------------------------------------------------- messages

/** A page of the history that touches the window, or begins one. */
export function mergePage(chat, page) {
  for (const message of page.messages) put(chat, message, true);
  // Changes that came while the page was under way are not in it.
  for (const { rev, event, payload } of chat.recent) if (rev > page.rev) onMessages[event]?.(chat, payload);
  changed();
}

/** Keeps the window small: what is beyond goes at the `start` or the `end`, and is fetched again when it is wanted. */
export function trim(chat, side) {
  const beyond = chat.messages.length - MAX_WINDOW;
  if (beyond <= 0 || chat.loading) return;
  chat.messages = side === 'start' ? chat.messages.slice(beyond) : chat.messages.slice(0, MAX_WINDOW);
  chat[side === 'start' ? 'hasMoreBefore' : 'hasMoreAfter'] = true;
}

// Puts a message in its place. A message beyond the window stays out: the
// window has no holes.
function put(chat, message, isPage = false) {
  const list = chat.messages;
  const [first, last] = [list[0]?.seq, list.at(-1)?.seq];
  const fits = isPage || (chat.loaded && (list.length === 0 ? !chat.hasMoreAfter : message.seq >= first && message.seq <= last + 1));
  if (message.seq >= (chat.lastMessage?.seq ?? 0)) chat.lastMessage = newer(chat.lastMessage, message);
  if (!fits) return false;
  let at = list.length;
  while (at > 0 && list[at - 1].seq >= message.seq) at -= 1;
  const known = list[at]?.seq === message.seq;
  list.splice(at, known ? 1 : 0, known ? newer(list[at], message) : message);
  return true;
}

function newer(old, next) {
  if (old?.id !== next.id) return next;
  if (next.rev < old.rev) return old;
  return { ...next, reactions: withMine(next.reactions, old.reactions) };
}

// Broadcasts do not say which reactions are the reader's own.
const withMine = (next, old) => Object.fromEntries(Object.entries(next ?? {}).map(([emoji, one]) =>
  [emoji, { ...one, mine: one.mine ?? old?.[emoji]?.mine ?? false }]));

function alter(chat, is, make) {
  chat.messages = chat.messages.map((one) => (is(one) ? make(one) : one));
  if (chat.lastMessage && is(chat.lastMessage)) chat.lastMessage = make(chat.lastMessage);
}

/** An answer to an own request, which may be ahead of the log. */
export function take(chat, message) {
  if (put(chat, message)) settle(chat, message.clientMsgId);
  changed();
}

/** What was written here is stored. */
function settle(chat, clientMsgId) {
  if (!clientMsgId) return;
  const left = chat.pending.filter((one) => one.clientMsgId !== clientMsgId);
  if (left.length === chat.pending.length) return;
  chat.pending = left;
  tell('pending');
}

export function setReactions(chat, messageId, reactions) {
  alter(chat, (one) => one.id === messageId, (one) => ({ ...one, reactions }));
  changed();
}

// What an event does to the messages that are there; doing it twice does no harm.
const onMessages = {
  'new-message': (chat, message) => put(chat, message),
  'message-updated': (chat, message) =>
    alter(chat, (one) => one.id === message.id && one.rev <= message.rev, (one) => newer(one, message)),
  'message-deleted': (chat, { messageId, rev, deletedAt }) =>
    alter(chat, (one) => one.id === messageId, (one) => ({ ...one, rev, content: '', reactions: {}, mentions: [], deletedAt })),
  'reaction-updated': (chat, { messageId, emoji, count, userId, added }) =>
    alter(chat, (one) => one.id === messageId && !one.deletedAt, (one) => {
      const reactions = { ...one.reactions };
      const mine = userId === me().id ? added : reactions[emoji]?.mine ?? false;
      if (count > 0) reactions[emoji] = { count, mine };
      else delete reactions[emoji];
      return { ...one, reactions };
    }),
};

// What it does to the chat itself.
const onChat = {
  'new-message'(chat, message) {
    chat.lastSeq = Math.max(chat.lastSeq, message.seq);
    chat.typing.delete(message.senderId);
    if (message.senderId) receipt(chat.id, message.senderId, 'readSeq', message.seq);
    if (isMine(message)) {
      settle(chat, message.clientMsgId);
      chat.readSeq = Math.max(chat.readSeq, message.seq);
      chat.unreadCount = 0;
    } else if (message.type === 'text' && message.seq > chat.readSeq) {
      chat.unreadCount = Math.min(chat.unreadCount + 1, UNREAD_CAP);
    }
    if (!isMine(message)) tell('message', chat, message);
  },
  'message-deleted'(chat, { seq, messageId }) {
    const gone = chat.messages.find((one) => one.id === messageId);
    const counted = gone ? gone.type === 'text' && !isMine(gone) : true;
    if (counted && seq > chat.readSeq) chat.unreadCount = Math.max(chat.unreadCount - 1, 0);
  },
  'chat-updated'(chat, { chat: next }) {
    const { name, participants, createdBy, updatedAt } = next;
    Object.assign(chat, { name, createdBy, updatedAt, participants: mergeReceipts(chat.participants, participants) });
  },
};

// --------------------------------------------------------------- the log

/**
 * Takes the next change of a chat. Changes are numbered without a gap: an old
 * one is dropped; one that comes too early is kept, and the answer is `gap`.
 */
export function follow(chat, change) {
  if (change.rev <= chat.rev) return 'old';
  if (change.rev > chat.rev + 1) {
    if (chat.ahead.length < MAX_AHEAD) chat.ahead.push(change);
    return 'gap';
  }
  applyChange(chat, change);
  changed();
  return 'taken';
}

/** What came too early and fits now; whether a gap is left. */
export function followAhead(chat) {
  const waiting = chat.ahead.sort((a, b) => a.rev - b.rev);
  chat.ahead = [];
  return waiting.map((change) => follow(chat, change)).includes('gap');
}

function applyChange(chat, { rev, event, payload }) {
  chat.rev = rev;
  chat.recent.push({ rev, event, payload });
  if (chat.recent.length > RECENT_EVENTS) chat.recent.shift();
  onChat[event]?.(chat, payload);
  onMessages[event]?.(chat, payload);
}
