// Where one writes: the draft, what it replies to, and whom it names.

import { toLatest } from './conversation.js';
import { $, el, icon, list } from './dom.js';
import { tellTyping } from './live.js';
import { edit } from './message-row.js';
import { send } from './outbox.js';
import { changed, isMine, openChat, others, rightsIn, state } from './store.js';

const MAX_SUGGESTIONS = 6;
const suggested = { people: [], at: 0, from: -1 };

export function keepDraft(chat) {
  tellTyping(chat, false);
  chat.draft.text = $('draft').value;
  suggest([]);
}

export function showDraft(chat) {
  $('draft').value = chat.draft.text;
  size();
}

export function startReply(message) {
  openChat().draft.replyTo = message;
  changed();
  $('draft').focus();
}

export function drawComposer(chat) {
  const { replyTo } = chat.draft;
  const rows = replyTo ? [{ id: replyTo.id, name: isMine(replyTo) ? 'yourself' : replyTo.sender?.name ?? '', text: replyTo.content.slice(0, 200) }] : [];
  list($('replying'), rows, (row) => row.id, (row) => el('div', { class: 'replying' },
    el('span', { class: 'text' }, el('strong', { dir: 'auto' }, `Replying to ${row.name}`), el('span', { class: 'quiet', dir: 'auto' }, row.text)),
    el('button', { type: 'button', class: 'icon', 'aria-label': 'Do not reply', onclick: endReply }, icon('close'))));
  drawCount();
}

function endReply() {
  openChat().draft.replyTo = null;
  changed();
  $('draft').focus();
}

const lengthOf = (text) => [...text].length;

function drawCount() {
  const left = state.limits.content - lengthOf($('draft').value);
  $('count').hidden = left > 200;
  const words = left < 0 ? `${-left} too many` : `${left} left`;
  if ($('count').title !== words) {
    $('count').title = words;
    $('count').replaceChildren(el('span', { class: 'sr' }, words), el('span', { 'aria-hidden': 'true' }, String(left).replace('-', '−')));
  }
  $('count').classList.toggle('bad', left < 0);
  $('send').disabled = !$('draft').value.trim() || left < 0;
}

function size() {
  if (!CSS.supports('field-sizing', 'content')) {
    $('draft').style.height = 'auto';
    $('draft').style.height = `${$('draft').scrollHeight + 2}px`;
  }
  drawCount();
}

async function submit(event) {
  event?.preventDefault();
  const chat = openChat();
  const content = $('draft').value.trim();
  if (!chat || $('send').disabled || !content) return;
  const { replyTo, mentions } = chat.draft;
  const named = [...mentions].filter(([, name]) => content.includes(`@${name}`)).map(([id]) => id).slice(0, state.limits.mentions);
  tellTyping(chat, false);
  suggest([]);
  chat.draft = { text: '', replyTo: null, mentions: new Map() };
  chat.freshAfter = null;
  $('draft').value = '';
  size();
  $('draft').focus();
  send(chat, { content, ...(replyTo && { replyTo: replyTo.id }), mentions: named });
  await toLatest();
}

// ----------------------------------------------------------------- mentions

function onInput() {
  size();
  const chat = openChat();
  tellTyping(chat, $('draft').value.trim() !== '');
  const { value, selectionStart } = $('draft');
  const word = value.slice(0, selectionStart).match(/(?:^|\s)@([\p{L}\p{N}.'-]{0,30})$/u);
  if (!word || !chat.isGroup) return suggest([]);
  const text = word[1].toLocaleLowerCase();
  suggested.from = selectionStart - word[1].length - 1;
  suggest(others(chat).filter((one) => one.name.toLocaleLowerCase().split(/\s+/).some((part) => part.startsWith(text))).slice(0, MAX_SUGGESTIONS));
}

function suggest(people) {
  Object.assign(suggested, { people, at: 0 });
  drawSuggestions();
}

function drawSuggestions() {
  const { people, at } = suggested;
  $('suggestions').hidden = people.length === 0;
  const rows = people.map((one, index) => ({ id: one.userId, name: one.name, chosen: index === at }));
  list($('suggestions'), rows, (row) => row.id, (row) => {
    const item = el('li', { role: 'option', id: `suggestion-${row.id}`, 'aria-selected': String(row.chosen), dir: 'auto' }, row.name);
    item.addEventListener('mousedown', (event) => { event.preventDefault(); name(people.find((one) => one.userId === row.id)); });
    return item;
  });
  if (people.length) $('draft').setAttribute('aria-activedescendant', `suggestion-${people[at].userId}`);
  else $('draft').removeAttribute('aria-activedescendant');
}

function name(person) {
  const field = $('draft');
  openChat().draft.mentions.set(person.userId, person.name);
  field.setRangeText(`@${person.name} `, suggested.from, field.selectionStart, 'end');
  suggest([]);
  size();
}

function onSuggestionKey(event) {
  const { people, at } = suggested;
  if (people.length === 0) return false;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) suggested.at = (at + step + people.length) % people.length;
  else if (event.key === 'Enter' || event.key === 'Tab') name(people[at]);
  else if (event.key === 'Escape') suggest([]);
  else return false;
  event.preventDefault();
  drawSuggestions();
  return true;
}

// --------------------------------------------------------------------- keys

function onKey(event) {
  if (onSuggestionKey(event)) return;
  const plainEnter = event.key === 'Enter' && !event.shiftKey && !event.isComposing;
  if (plainEnter && matchMedia('(hover: hover)').matches) submit(event);
  else if (event.key === 'Escape' && openChat().draft.replyTo) endReply();
  else if (event.key === 'ArrowUp' && !$('draft').value) editLast(event);
}

function editLast(event) {
  const chat = openChat();
  const last = chat.messages.findLast(rightsIn(chat).edit);
  if (!last) return;
  event.preventDefault();
  edit(last);
}

export function listenComposer() {
  $('composer').addEventListener('submit', submit);
  $('draft').addEventListener('keydown', onKey);
  $('draft').addEventListener('input', onInput);
  $('draft').addEventListener('blur', () => { tellTyping(openChat(), false); suggest([]); });
}
