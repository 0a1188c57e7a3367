// The open chat: its messages, scrolling, and what has been read.

import { chatAvatar } from './chat-list.js';
import { drawComposer, keepDraft, showDraft, startReply } from './composer.js';
import { $, complain, dropToasts, el, list, rove } from './dom.js';
import { joinOpen, leaveRoom, loadMessages, loadMore, markInboxOf, markRead } from './live.js';
import { editRow, onRow, systemRow, textRow } from './message-row.js';
import { me } from './session.js';
import { changed, isMine, on, openChat, progressOf, state, titleOf, trim } from './store.js';
import { about, dayOf, explain, longDay, preview, systemText, typingText } from './words.js';

const GROUPING_MS = 5 * 60_000; // messages of one person this close stand together
const NEAR_END = 240;
const JUMP_PAGES = 40;

// ------------------------------------------------------------------ drawing

export function drawConversation() {
  const chat = openChat();
  $('open-chat').hidden = !chat;
  $('no-conversation').hidden = Boolean(chat);
  $('app').dataset.pane = chat ? 'chat' : 'chats';
  if (!chat) return;
  const following = isAtBottom() && chat.endDrawn;
  const inSight = following || chat.moved ? null : rowInSight();
  if ($('messages').dataset.chat === chat.id && !chat.moved) trim(chat, following || isInLowerHalf() ? 'start' : 'end');
  $('chat-name').textContent = titleOf(chat);
  $('chat-avatar').replaceChildren(chatAvatar(chat, 'tiny'));
  $('chat-about').textContent = state.connection === 'reconnecting' ? 'Reconnecting…' : about(chat);
  $('open-chat').classList.toggle('direct', !chat.isGroup);
  drawMessages(chat);
  drawTyping(chat);
  drawComposer(chat);
  drawEdge(chat);
  chat.endDrawn = !chat.hasMoreAfter;
  if (following) toBottom();
  else if (inSight) keepInSight(inSight);
  chat.moved = false;
  drawJump(chat);
  readWhatIsSeen();
}

function drawEdge(chat) {
  const older = chat.loading ? 'Loading messages…' : chat.loaded && !chat.hasMoreBefore && chat.messages.length > 12 ? 'The beginning of this chat' : '';
  if ($('older').textContent !== older) $('older').textContent = older;
  $('no-messages').hidden = !chat.loaded || chat.messages.length + chat.pending.length > 0;
}

function drawTyping(chat) {
  const text = typingText(chat);
  const shown = text || chat.slow || chat.note;
  if ($('typing').dataset.text === shown) return;
  $('typing').dataset.text = shown;
  const dots = text && el('i', { 'aria-hidden': 'true' }, el('b'), el('b'), el('b'));
  $('typing').replaceChildren(...[dots, shown].filter(Boolean));
}

const together = (one, next) => Boolean(one && next) && one.type === 'text' && next.type === 'text' && one.senderId === next.senderId
  && new Date(next.createdAt) - new Date(one.createdAt) < GROUPING_MS && dayOf(one.createdAt) === dayOf(next.createdAt);

// The messages with day lines, the line before what is new, and who stands together with whom.
function rowsOf(chat) {
  const own = { senderId: me().id, sender: { name: me().name }, type: 'text' };
  const stored = new Set(chat.messages.map((one) => one.clientMsgId));
  const waiting = chat.hasMoreAfter ? [] : chat.pending.filter((one) => !stored.has(one.clientMsgId)).map((one) => ({ ...one, ...own }));
  const all = [...chat.messages, ...waiting];
  const byId = new Map(chat.messages.map((one) => [one.id, one]));
  const names = chat.participants.map((one) => one.name);
  const rows = [];
  all.forEach((message, index) => {
    const before = all[index - 1];
    if (!before || dayOf(before.createdAt) !== dayOf(message.createdAt)) {
      rows.push({ kind: 'day', key: `day-${dayOf(message.createdAt)}`, text: longDay(message.createdAt) });
    }
    const fresh = chat.freshAfter != null && message.seq > chat.freshAfter && (before ? before.seq <= chat.freshAfter : !chat.hasMoreBefore);
    if (fresh) rows.push({ kind: 'fresh', key: 'fresh' });
    const key = message.clientMsgId && isMine(message) ? message.clientMsgId : message.id;
    if (state.editing?.id === message.id && message.id) return rows.push({ kind: 'edit', key });
    rows.push({
      kind: message.type, key, message,
      first: fresh || !together(before, message),
      last: !together(message, all[index + 1]),
      mine: isMine(message),
      waiting: !message.seq,
      author: message.sender?.name ?? 'Somebody',
      names: message.content.includes('@') ? names.filter((name) => message.content.includes(`@${name}`)) : [],
      step: message.seq ? isMine(message) && progressOf(chat, message).step : 'sending',
      reply: message.replyTo ? quoted(byId.get(message.replyTo), message.replyTo) : null,
    });
  });
  return rows;
}

function quoted(original, id) {
  if (!original) return { id, name: 'Earlier message', text: 'Go there' };
  return { id, name: isMine(original) ? 'You' : original.sender?.name ?? 'Notice', text: original.deletedAt ? 'Message deleted' : original.type === 'system' ? systemText(original) : original.content.slice(0, 200) };
}

const makers = {
  day: ({ text }) => el('li', { class: 'day' }, el('span', null, text)),
  fresh: () => el('li', { class: 'fresh' }, 'New'),
  system: systemRow,
  edit: editRow,
};

function drawMessages(chat) {
  const messages = $('messages');
  if (messages.dataset.chat !== chat.id) messages.replaceChildren();
  messages.dataset.chat = chat.id;
  list(messages, rowsOf(chat), (row) => row.key, (row) => (makers[row.kind] ?? textRow)(row));
  const rows = walkable();
  if (rows.length && !rows.some((row) => row.tabIndex === 0)) rows.at(-1).tabIndex = 0;
}

const walkable = () => [...$('messages').querySelectorAll('.message[tabindex]')];

// ---------------------------------------------------------------- scrolling

const isAtBottom = () => $('scroller').scrollHeight - $('scroller').scrollTop - $('scroller').clientHeight < 60;
const isInLowerHalf = () => $('scroller').scrollTop * 2 + $('scroller').clientHeight > $('scroller').scrollHeight;
const rowBy = (name, value) => [...$('messages').children].find((row) => row.dataset[name] === String(value));

// The first message in sight, and where it stands: there it stays when rows above it come, go or grow.
function rowInSight() {
  const edge = $('scroller').getBoundingClientRect().top;
  const row = [...$('messages').querySelectorAll('[data-seq]')].find((one) => one.getBoundingClientRect().bottom > edge);
  return row && { key: row.dataset.key, top: row.getBoundingClientRect().top };
}

function keepInSight({ key, top }) {
  const row = rowBy('key', key);
  const off = row && row.getBoundingClientRect().top - top;
  if (off) $('scroller').scrollTop += off;
}

export const toBottom = () => { $('scroller').scrollTop = $('scroller').scrollHeight; };

function drawJump(chat) {
  $('jump').hidden = isAtBottom() && !chat.hasMoreAfter;
  const text = chat.unreadCount ? `${chat.unreadCount} new` : '';
  $('jump-text').textContent = text;
  $('jump').setAttribute('aria-label', text ? `${text}: go to the newest messages` : 'Go to the newest messages');
}

/** To the newest messages, which are loaded if need be. */
export async function toLatest() {
  const chat = openChat();
  if (chat.hasMoreAfter) await loadMessages(chat).catch((error) => complain(explain(error)));
  drawConversation();
  toBottom();
  readWhatIsSeen();
}

let wasAtBottom = true;

function onScroll() {
  const chat = openChat();
  if (!chat) return;
  wasAtBottom = isAtBottom();
  drawJump(chat);
  readWhatIsSeen();
  const { scrollTop, scrollHeight, clientHeight } = $('scroller');
  const more = scrollTop < NEAR_END ? 'before' : scrollHeight - scrollTop - clientHeight < NEAR_END ? 'after' : null;
  if (more) loadMore(chat, more).catch((error) => complain(explain(error)));
}

// What stands above the lower edge, in a page that is looked at, has been read.
function readWhatIsSeen() {
  const chat = openChat();
  if (!chat?.loaded || chat.loading || chat.opening || document.visibilityState !== 'visible') return;
  if (chat.readSeq >= chat.lastSeq) return;
  if (isAtBottom() && !chat.hasMoreAfter) return markRead(chat, chat.lastSeq);
  const edge = $('scroller').getBoundingClientRect().bottom + 8;
  const seen = [...$('messages').querySelectorAll('[data-seq]')].reverse()
    .find((row) => row.dataset.seq && row.getBoundingClientRect().bottom <= edge);
  if (seen) markRead(chat, Number(seen.dataset.seq));
}

async function jump(messageId) {
  const chat = openChat();
  const there = () => chat.messages.some((one) => one.id === messageId);
  try {
    for (let pages = 0; !there() && pages < JUMP_PAGES; pages += 1) if (!await loadMore(chat, 'before')) break;
  } catch (error) {
    return complain(explain(error));
  }
  chat.moved = true;
  drawConversation();
  flash(rowBy('id', messageId));
}

async function jumpToSeq(chat, seq) {
  if (!chat.messages.some((one) => one.seq === seq)) await loadMessages(chat, seq);
  chat.moved = true;
  drawConversation();
  flash(rowBy('seq', seq));
}

function flash(row) {
  if (!row) return complain('That message is not there any more.');
  row.scrollIntoView({ block: 'center' });
  row.classList.add('flash');
  row.addEventListener('animationend', () => row.classList.remove('flash'), { once: true });
  if (row.hasAttribute('tabindex')) row.focus({ preventScroll: true });
}

// ------------------------------------------------- opening and closing a chat
// The address names the open chat, so that "back" leads to the list.

export function showAddressed() {
  const [, id, seq] = location.hash.match(/^#\/chats\/([^/]+)(?:\/(\d+))?$/) ?? [];
  if (!id) return closeChat();
  const chat = state.chats.get(decodeURIComponent(id));
  if (!chat) return;
  if (chat.id !== state.openId) showChat(chat, Number(seq) || null);
  else if (seq) jumpToSeq(chat, Number(seq)).catch((error) => complain(explain(error)));
}

async function showChat(chat, seq) {
  leave();
  state.openId = chat.id;
  chat.freshAfter = chat.unreadCount ? chat.readSeq : null;
  chat.opening = true;
  dropToasts(chat.id);
  showDraft(chat);
  drawConversation();
  joinOpen(chat);
  markInboxOf(chat.id);
  try {
    // Reading goes on where it ended, also when that is further up.
    if (!chat.loaded) await loadMessages(chat, seq ?? (chat.unreadCount > 30 ? chat.readSeq || 1 : null));
  } catch (error) {
    complain(explain(error));
  }
  if (state.openId !== chat.id) return;
  chat.moved = true;
  drawConversation();
  toBottom();
  $('messages').querySelector('.fresh')?.scrollIntoView({ block: 'start' });
  chat.opening = false;
  if (seq) await jumpToSeq(chat, seq).catch(() => {});
  readWhatIsSeen();
  drawJump(chat);
  if (matchMedia('(hover: hover)').matches) $('draft').focus();
  else $('chat-name').focus({ preventScroll: true });
  changed();
}

function leave() {
  const chat = openChat();
  if (!chat) return;
  keepDraft(chat);
  trim(chat, 'start');
  chat.freshAfter = null;
  state.editing = null;
  leaveRoom(chat);
}

export function closeChat() {
  const was = state.openId;
  leave();
  state.openId = null;
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  drawConversation();
  changed();
  [...$('chats').children].find((row) => row.dataset.key === was)?.querySelector('button').focus();
}

export function listenConversation() {
  onRow({ reply: startReply, jump });
  rove($('messages'), walkable);
  $('messages').addEventListener('focusin', (event) => {
    const row = event.target.closest('.message[tabindex]');
    if (row) for (const one of walkable()) one.tabIndex = one === row ? 0 : -1;
  });
  $('scroller').addEventListener('scroll', onScroll, { passive: true });
  $('jump').addEventListener('click', () => { toLatest(); $('draft').focus(); });
  $('back').addEventListener('click', closeChat);
  addEventListener('hashchange', showAddressed);
  // Who was at the end stays there when the window or the draft changes its size.
  new ResizeObserver(() => { if (wasAtBottom) toBottom(); }).observe($('scroller'));
  document.addEventListener('visibilitychange', readWhatIsSeen);
  on('listed', showAddressed);
  on('dropped', (chat) => { if (chat.id === state.openId) { state.openId = null; history.replaceState(null, '', location.pathname + location.search); } });
  on('message', (chat, message) => {
    if (chat.id !== state.openId) return;
    $('announcer').textContent = message.type === 'system' ? systemText(message) : `${message.sender?.name}: ${preview({ isGroup: false }, message)}`;
  });
}
