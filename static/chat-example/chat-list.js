// The list of chats beside the conversation.

import { $, avatar, el, list, rove } from './dom.js';
import { loadChats } from './live.js';
import { byActivity, isOnline, openChat, others, state, titleOf } from './store.js';
import { preview, shortTime, typingText } from './words.js';
import { me } from './session.js';

export const goTo = (id, seq) => { location.hash = `#/chats/${encodeURIComponent(id)}${seq ? `/${seq}` : ''}`; };

export function chatAvatar(chat, extra = '') {
  const other = others(chat)[0];
  return chat.isGroup
    ? avatar(chat.id, titleOf(chat), `group ${extra}`)
    : avatar(other?.userId ?? '', titleOf(chat), extra, other && isOnline(other.userId));
}

function rowOf(chat) {
  const waiting = chat.pending.at(-1);
  const other = others(chat)[0];
  const named = state.inbox.items.some((one) => one.type === 'mention' && one.chatId === chat.id && !one.readAt);
  const time = waiting?.createdAt ?? chat.lastMessage?.createdAt ?? chat.createdAt;
  return {
    id: chat.id,
    face: chat.isGroup ? chat.id : other?.userId ?? '',
    isGroup: chat.isGroup,
    online: !chat.isGroup && Boolean(other) && isOnline(other.userId),
    title: titleOf(chat),
    time,
    shown: shortTime(time),
    typing: typingText(chat),
    last: preview(chat, waiting ? { ...waiting, senderId: me().id } : chat.lastMessage),
    draft: chat.id !== state.openId && chat.draft.text.trim(),
    unread: chat.unreadCount,
    named: named && chat.unreadCount > 0,
    current: chat.id === state.openId,
  };
}

function lastLine(row) {
  if (row.typing) return el('span', { class: 'last typing-now' }, row.typing);
  if (row.draft) return el('span', { class: 'last', dir: 'auto' }, el('em', null, 'Draft: '), row.draft);
  return el('span', { class: 'last', dir: 'auto' }, row.last);
}

const make = (row) => el('li', null,
  el('button', { 'aria-current': row.current ? 'true' : null, class: row.unread ? 'unread' : null, onclick: () => goTo(row.id) },
    avatar(row.face, row.title, row.isGroup ? 'group' : '', row.online),
    el('span', { class: 'name', dir: 'auto' }, row.title),
    row.online ? el('span', { class: 'sr' }, 'online') : null,
    el('time', { datetime: row.time }, row.shown),
    lastLine(row),
    row.unread ? el('span', { class: 'badges' },
      row.named ? el('span', { class: 'badge at', role: 'img', 'aria-label': 'You were mentioned' }, '@') : null,
      el('span', { class: 'badge', role: 'img', 'aria-label': `${row.unread} unread` }, row.unread > 99 ? '99+' : String(row.unread))) : null));

export function drawChats() {
  list($('chats'), byActivity().map(rowOf), (row) => row.id, make);
  const none = state.chats.size === 0;
  $('no-chats').hidden = !none || state.connection === 'connecting';
  $('chats').hidden = none;
  $('more-chats').hidden = !state.moreChats;
  drawConnection();
  const unread = [...state.chats.values()].filter((one) => one.unreadCount > 0).length;
  const chat = openChat();
  document.title = `${unread ? `(${unread}) ` : ''}${chat ? `${titleOf(chat)} · ` : ''}Parlance`;
  $('inbox-count').hidden = !state.inbox.unread;
  $('inbox-count').textContent = state.inbox.unread > 99 ? '99+' : String(state.inbox.unread);
  $('inbox-button').setAttribute('aria-label', state.inbox.unread ? `Notifications, ${state.inbox.unread} unread` : 'Notifications');
}

let shownConnection = 'connecting';

function drawConnection() {
  const next = state.connection;
  if (next === shownConnection) return;
  const again = shownConnection === 'reconnecting' && next === 'connected';
  shownConnection = next;
  const line = $('connection');
  line.hidden = next === 'connected' && !again;
  line.classList.toggle('good', again);
  line.textContent = again ? 'Connected again' : 'Reconnecting…';
  if (again) setTimeout(() => { if (state.connection === 'connected') line.hidden = true; }, 2_000);
}

export function listenChats() {
  rove($('chats'), () => [...$('chats').querySelectorAll('button')]);
  $('more-chats').addEventListener('click', () => loadChats(state.moreChats).catch(() => {}));
}
