// The other dialogs: who is in a chat, notifications, the account.

import { goTo } from './chat-list.js';
import { $, avatar, beSure, el, icon, list, menu, personText } from './dom.js';
import { openFinder } from './finder.js';
import { loadInbox, markInbox } from './live.js';
import { api, chatPath, logout, me } from './session.js';
import { dropChat, isOnline, openChat, rightsIn, state, titleOf } from './store.js';
import { explain, notificationText, presenceText, roleName, shortTime, standing } from './words.js';

// ------------------------------------------------------------ who is in a chat

function openDetails() {
  $('details-error').textContent = '';
  $('rename').value = openChat().name ?? '';
  drawDetails();
  $('details').showModal();
}

const STANDINGS = ['owner', 'moderator', 'member'];
const byStanding = (one, other) => STANDINGS.indexOf(one.role) - STANDINGS.indexOf(other.role) || one.name.localeCompare(other.name);

export function drawDetails() {
  if (!$('details').open && !openChat()) return;
  const chat = openChat();
  if (!chat) return $('details').close();
  const rights = rightsIn(chat);
  $('details-title').textContent = chat.isGroup ? `${chat.participants.length} ${chat.participants.length === 1 ? 'person' : 'people'}` : titleOf(chat);
  $('details-actions').hidden = !chat.isGroup;
  $('rename-form').hidden = !rights.rename;
  const rows = chat.participants.toSorted(byStanding).map((one) => ({
    ...one, readSeq: 0, deliveredSeq: 0,
    mine: one.userId === me().id,
    online: isOnline(one.userId),
    detail: [one.role !== 'member' && standing(one.role), one.userId !== me().id && presenceText(one.userId)].filter(Boolean).join(' · '),
    changeable: chat.isGroup && one.userId !== me().id && (rights.roles || rights.remove(one)),
  }));
  list($('participants'), rows, (row) => row.userId, (row) => el('li', { class: 'person' },
    avatar(row.userId, row.name, '', row.online),
    personText(row.mine ? `${row.name} (you)` : row.name, row.detail),
    row.changeable ? el('button', {
      type: 'button', class: 'icon', 'aria-haspopup': 'menu', 'aria-label': `Change ${row.name}`,
      onclick: (event) => openPerson(event.currentTarget, row),
    }, icon('more')) : null));
}

function openPerson(anchor, one) {
  const chat = openChat();
  const rights = rightsIn(chat);
  const path = chatPath(chat.id, 'participants', one.userId);
  const become = (role, text, sign) => one.role !== role && { text, icon: sign, act: () => attempt(() => api('PATCH', path, { role })) };
  menu(anchor, one.name, [
    rights.roles && one.role !== 'owner' && become('moderator', 'Make moderator', 'shield'),
    rights.roles && one.role !== 'owner' && become('member', 'Make member', 'people'),
    rights.roles && { ...become('owner', 'Hand the group over', 'crown'), sure: 'Really hand over?' },
    rights.remove(one) && { text: 'Remove from the group', icon: 'leave', danger: true, sure: 'Really remove?', act: () => attempt(() => api('DELETE', path)) },
  ].filter((entry) => entry && entry.text));
}

async function attempt(act) {
  try {
    await act();
    $('details-error').textContent = '';
    return true;
  } catch (error) {
    $('details-error').textContent = explain(error);
    return false;
  }
}

async function rename(event) {
  event.preventDefault();
  await attempt(() => api('PATCH', chatPath(state.openId), { name: $('rename').value }));
}

async function leave() {
  const { openId } = state;
  if (!await attempt(() => api('POST', chatPath(openId, 'leave')))) return;
  $('details').close();
  dropChat(openId);
}

// ------------------------------------------------------------ notifications

async function openInbox() {
  $('inbox').showModal();
  drawInbox();
  await loadInbox().catch((error) => { $('inbox-hint').textContent = explain(error); });
}

export function drawInbox() {
  if (!$('inbox').open) return;
  const { items, nextCursor, unread } = state.inbox;
  const rows = items.map((one) => ({
    id: one.id, chatId: one.chatId, seq: one.message?.seq, read: Boolean(one.readAt), time: one.createdAt, type: one.type,
    who: one.by ?? one.message?.sender ?? one.user ?? { id: '', name: '?' },
    where: state.chats.get(one.chatId)?.name ?? '', text: notificationText(one), reachable: state.chats.has(one.chatId),
  }));
  list($('notifications'), rows, (row) => row.id, (row) => el('li', null,
    el('button', { type: 'button', class: `person notice${row.read ? '' : ' unread'}`, disabled: !row.reachable, onclick: () => follow(row) },
      avatar(row.who.id, row.who.name, 'tiny'),
      el('span', { class: 'text' }, el('span', { class: 'what', dir: 'auto' }, row.text),
        el('span', { class: 'quiet' }, [shortTime(row.time), row.where].filter(Boolean).join(' · '))),
      row.read ? null : el('span', { class: 'new-dot', role: 'img', 'aria-label': 'New' }))));
  $('inbox-hint').textContent = items.length ? '' : 'Nothing yet. What happens while you look elsewhere is told here.';
  $('inbox-all').hidden = !unread;
  $('inbox-more').hidden = !nextCursor;
}

function follow({ id, chatId, seq, read }) {
  $('inbox').close();
  if (!read) markInbox([id]).catch(() => {});
  goTo(chatId, seq);
}

// ------------------------------------------------------------------ account

export function showMe() {
  $('me').replaceChildren(avatar(me().id, me().name, 'tiny'));
  $('me').setAttribute('aria-label', `Your account: ${me().name}`);
  $('account-name').textContent = me().name;
  $('account-email').textContent = [me().email, roleName(me().role)].filter(Boolean).join(' · ');
  for (const one of document.querySelectorAll('input[name="theme"]')) {
    one.checked = one.value === window.theme.choice;
    one.addEventListener('change', () => { window.theme.choice = one.value; });
  }
}

async function changePassword(event) {
  event.preventDefault();
  const form = event.currentTarget;
  $('password-error').textContent = '';
  $('password-done').textContent = '';
  try {
    await api('PUT', '/api/auth/password', { currentPassword: form.current.value, newPassword: form.next.value });
    form.reset();
    $('password-done').textContent = 'Changed. Every other session of yours has ended.';
  } catch (error) {
    $('password-error').textContent = error.code === 'invalid-credentials' ? 'The present password is not right' : explain(error);
  }
}

export function listenPanels() {
  $('details-button').addEventListener('click', openDetails);
  $('rename-form').addEventListener('submit', rename);
  $('add-people').addEventListener('click', () => { $('details').close(); openFinder(openChat()); });
  beSure($('leave'), 'Really leave?', leave);
  $('inbox-button').addEventListener('click', openInbox);
  $('inbox-all').addEventListener('click', () => markInbox().catch(() => {}));
  $('inbox-more').addEventListener('click', () => loadInbox(state.inbox.nextCursor).catch(() => {}));
  $('me').addEventListener('click', () => $('account').showModal());
  $('logout').addEventListener('click', logout);
  $('password-form').addEventListener('submit', changePassword);
  for (const close of document.querySelectorAll('[data-close]')) close.addEventListener('click', () => close.closest('dialog').close());
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  }
}
