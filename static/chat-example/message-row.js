// How one row of a conversation looks, and what can be done with a message.

import { $, avatar, complain, el, hueOf, icon, menu } from './dom.js';
import { ask } from './live.js';
import { discard, retry } from './outbox.js';
import { changed, openChat, progressOf, rightsIn, setReactions, state, take } from './store.js';
import { explain, fullTimeOf, listed, systemText, timeOf } from './words.js';

const QUICK = ['👍', '❤️', '😂', '🎉', '😮', '🙏'];
const MORE = [...'😀😅🥰😎🤔😴😢😡👏🙌💪🤝👀🔥✨💯✅❌❓❗☕🍕🎂🌍'].filter((one) => one !== '\ufe0f');

const acts = { reply: () => {}, jump: () => {} };
/** What the conversation does: `reply(message)`, `jump(messageId)`. */
export const onRow = (given) => Object.assign(acts, given);

const isEmoji = (text) => text.length <= 24 && /^(\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u200d|\ufe0f){1,12}$/u.test(text)
  && [...new Intl.Segmenter().segment(text)].length <= 3;

// Text with its web addresses as links, and the people it names.
function richText(text, names) {
  const link = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/.source;
  const escaped = names.map((name) => `@${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`).sort((a, b) => b.length - a.length);
  return text.split(new RegExp(`(${[link, ...escaped].join('|')})`)).map((part, index) => {
    if (index % 2 === 0) return part;
    if (part.startsWith('@')) return el('span', { class: 'mention' }, part);
    return el('a', { href: part, target: '_blank', rel: 'noopener noreferrer' }, part);
  });
}

function quote(reply) {
  return el('button', { type: 'button', class: 'quote', tabindex: '-1', onclick: () => acts.jump(reply.id) },
    el('strong', { dir: 'auto' }, reply.name), el('span', { dir: 'auto' }, reply.text));
}

const STEPS = { sending: ['i-clock', 'Sending'], sent: ['check', 'Sent'], delivered: ['checks', 'Delivered'], read: ['checks', 'Read'] };

function tick(step) {
  const [sign, label] = STEPS[step];
  return el('span', { class: `tick ${step}`, role: 'img', 'aria-label': label, title: label }, icon(sign.replace('i-', '')));
}

function stamp({ message, mine, step }) {
  return el('span', { class: 'stamp' },
    message.editedAt && !message.deletedAt ? el('span', null, 'edited') : null,
    el('time', { datetime: message.createdAt, title: fullTimeOf(message.createdAt) }, timeOf(message.createdAt)),
    mine && step && !message.failed && !message.deletedAt ? tick(step) : null);
}

export function textRow(row) {
  const { message, first, last, mine, author, reply } = row;
  const text = message.deletedAt ? 'This message was deleted' : message.content;
  const big = !message.deletedAt && !reply && isEmoji(text);
  const marks = { message: true, first, last, mine, waiting: row.waiting && !message.failed, failed: message.failed, deleted: message.deletedAt, emoji: big };
  const node = el('li', { class: Object.keys(marks).filter((name) => marks[name]).join(' '), tabindex: '-1' },
    avatar(message.senderId, author, 'small'),
    el('div', { class: 'body' },
      el('p', { class: 'author', 'aria-hidden': 'true', dir: 'auto' }, author),
      el('div', { class: 'line-up' },
        el('div', { class: 'bubble' },
          el('span', { class: 'sr' }, `${mine ? 'You' : author}: `),
          reply ? quote(reply) : null,
          el('span', { class: 'words', dir: 'auto' }, ...richText(text, row.names)),
          stamp(row)),
        row.waiting || message.deletedAt ? null : tools(message)),
      reactions(message),
      message.failed ? failure(message) : null));
  node.dataset.seq = message.seq ?? '';
  node.dataset.id = message.id ?? '';
  node.style.setProperty('--hue', hueOf(message.senderId));
  if (!row.waiting && !message.deletedAt) listenRow(node, message);
  return node;
}

function tools(message) {
  const button = (sign, label, act) => el('button', { type: 'button', tabindex: '-1', 'aria-label': label, title: label, onclick: act }, icon(sign));
  return el('div', { class: 'tools' },
    button('smile', 'React', (event) => openMenu(event.currentTarget, message, true)),
    button('reply', 'Reply', () => acts.reply(message)),
    button('more', 'More', (event) => openMenu(event.currentTarget, message)));
}

function listenRow(node, message) {
  const bubble = node.querySelector('.bubble');
  node.addEventListener('keydown', (event) => {
    if (event.target !== node || !['Enter', ' ', 'ContextMenu'].includes(event.key)) return;
    event.preventDefault();
    openMenu(bubble, message);
  });
  bubble.addEventListener('click', (event) => {
    if (matchMedia('(hover: hover)').matches || event.target.closest('a, button') || String(getSelection())) return;
    openMenu(bubble, message);
  });
}

function reactions(message) {
  const all = Object.entries(message.reactions ?? {});
  if (all.length === 0) return null;
  return el('div', { class: 'reactions' }, ...all.map(([emoji, { count, mine }]) =>
    el('button', {
      type: 'button', tabindex: '-1', 'aria-pressed': String(Boolean(mine)), 'aria-label': `${emoji} ${count}${mine ? ', you among them' : ''}`,
      onclick: () => react(message.id, emoji, !mine),
    }, emoji, el('span', null, String(count)))));
}

function failure({ clientMsgId, failed }) {
  const chat = openChat();
  return el('p', { class: 'failure', role: 'alert' }, el('span', null, `Not sent. ${failed}`), el('span', null,
    el('button', { type: 'button', onclick: () => retry(chat, clientMsgId) }, 'Try again'),
    el('button', { type: 'button', onclick: () => discard(chat, clientMsgId) }, 'Discard')));
}

// ------------------------------------------------------------------- acting

/** Asks the server to do something; what it refuses is told in a toast. */
export async function act(event, body) {
  const reply = await ask(event, body).catch(() => ({ error: {} }));
  if (reply.success) return reply.data;
  complain(explain({ message: reply.message, ...reply.error }));
  return null;
}

async function react(messageId, emoji, wanted) {
  const chat = openChat();
  const done = await act(wanted ? 'add-reaction' : 'remove-reaction', { chatId: chat.id, messageId, emoji });
  if (done) setReactions(chat, messageId, done.reactions);
}

async function remove(message) {
  const chat = openChat();
  const done = await act('delete-message', { chatId: chat.id, messageId: message.id });
  if (done) take(chat, done);
}

function openMenu(anchor, message, emojiOnly = false) {
  const chat = openChat();
  const rights = rightsIn(chat);
  const { readBy } = progressOf(chat, message);
  const entries = emojiOnly ? [] : [
    { text: 'Reply', icon: 'reply', act: () => acts.reply(message) },
    navigator.clipboard && { text: 'Copy text', icon: 'copy', act: () => navigator.clipboard.writeText(message.content) },
    rights.edit(message) && { text: 'Edit', icon: 'pencil', act: () => edit(message) },
    rights.delete(message) && { text: 'Delete', icon: 'trash', danger: true, sure: 'Really delete?', act: () => remove(message) },
  ].filter(Boolean);
  const seen = chat.isGroup && readBy.length ? ` · read by ${listed(readBy.map((one) => one.name))}` : '';
  menu(anchor, 'Message', entries, {
    top: (close) => picker(message, close, emojiOnly),
    note: emojiOnly ? null : `${fullTimeOf(message.createdAt)}${seen}`,
  });
}

function picker(message, close, all) {
  return el('div', { class: 'picker', role: 'group', 'aria-label': 'React with' }, ...(all ? [...QUICK, ...MORE] : QUICK).map((emoji) =>
    el('button', { type: 'button', 'aria-label': `React with ${emoji}`, onclick: () => {
      close();
      react(message.id, emoji, !message.reactions?.[emoji]?.mine);
    } }, emoji)));
}

// ------------------------------------------------------------------ editing

export function edit(message) {
  state.editing = { chatId: message.chatId, id: message.id, version: message.version, was: message.content, text: message.content };
  changed();
  requestAnimationFrame(() => requestAnimationFrame(() => $('edit')?.focus()));
}

export function stopEditing() {
  state.editing = null;
  changed();
  $('draft').focus();
}

export function editRow() {
  const { text } = state.editing;
  const field = el('textarea', { id: 'edit', rows: '1', 'aria-label': 'Edit message', dir: 'auto' });
  field.value = text;
  const save = async () => {
    const { chatId, id, version, was, text: next } = state.editing;
    if (next === was || !next.trim()) return stopEditing();
    const done = await act('edit-message', { chatId, messageId: id, content: next, ifVersion: version });
    if (!done) return;
    take(openChat(), done);
    stopEditing();
  };
  field.addEventListener('input', () => { state.editing.text = field.value; });
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') stopEditing();
    else if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); save(); }
  });
  return el('li', { class: 'message mine editing' }, el('div', { class: 'body' }, el('div', { class: 'editor' }, field,
    el('div', { class: 'choice' },
      el('span', { class: 'quiet' }, 'Esc cancels, Enter saves'),
      el('button', { type: 'button', class: 'link', onclick: stopEditing }, 'Cancel'),
      el('button', { type: 'button', class: 'primary small', onclick: save }, 'Save')))));
}

export const systemRow = ({ message }) => el('li', { class: 'system', dir: 'auto' }, systemText(message));
