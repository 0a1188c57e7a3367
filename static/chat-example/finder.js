// Finding people: for a new chat, or for more people in one.

import { goTo } from './chat-list.js';
import { $, avatar, el, icon, list, personText } from './dom.js';
import { api, chatPath, me } from './session.js';
import { addChat, titleOf } from './store.js';
import { explain, roleName } from './words.js';

const SEARCH_PAUSE_MS = 300;
const finder = { chat: null, picked: new Map(), found: [], timer: 0 };

export function openFinder(chat = null) {
  Object.assign(finder, { chat, found: [] });
  finder.picked.clear();
  $('finder-form').reset();
  $('finder-title').textContent = chat ? `Add to ${titleOf(chat)}` : 'New chat';
  $('finder-error').textContent = '';
  $('found-hint').textContent = 'Type at least two letters of a name';
  draw();
  $('finder').showModal();
  $('people-search').focus();
}

async function search() {
  const text = $('people-search').value.trim();
  const long = [...text].length >= 2;
  let hint = long ? '' : 'Type at least two letters of a name';
  let found = [];
  try {
    if (long) found = (await api('GET', `/api/users?${new URLSearchParams({ search: text })}`)).users;
    if (long && found.length === 0) hint = 'Nobody by that name';
  } catch (error) {
    hint = explain(error);
  }
  if ($('people-search').value.trim() !== text) return;
  const there = new Set(finder.chat?.participants.map((one) => one.userId) ?? []);
  finder.found = found.filter((one) => one.id !== me().id && !there.has(one.id));
  $('found-hint').textContent = hint || (finder.found.length ? '' : 'Everybody found is here already');
  draw();
}

function pick(person) {
  if (!finder.picked.delete(person.id)) finder.picked.set(person.id, person);
  draw();
}

function draw() {
  const rows = finder.found.map((person) => ({ ...person, picked: finder.picked.has(person.id) }));
  list($('found'), rows, (row) => row.id, (row) => el('li', null,
    el('button', { type: 'button', class: 'person', 'aria-pressed': String(row.picked), onclick: () => pick(row) },
      avatar(row.id, row.name), personText(row.name, roleName(row.role)), el('span', { class: 'mark' }, icon('check')))));
  list($('picked'), [...finder.picked.values()], (one) => one.id, (one) =>
    el('button', { type: 'button', class: 'chip', 'aria-label': `Take ${one.name} off the list`, onclick: () => pick(one) },
      el('span', null, one.name), icon('close')));
  const count = finder.picked.size;
  const group = !finder.chat && (count > 1 || $('as-group').checked);
  $('group-check').hidden = Boolean(finder.chat) || count !== 1;
  $('group-name-field').hidden = !group;
  $('finder-submit').disabled = count === 0;
  $('finder-submit').textContent = finder.chat ? 'Add' : group ? 'Start group' : 'Start chat';
}

async function submit(event) {
  event.preventDefault();
  const ids = [...finder.picked.keys()];
  $('finder-submit').disabled = true;
  $('finder-error').textContent = '';
  try {
    if (finder.chat) await addPeople(finder.chat, ids);
    else await startChat(ids, ids.length > 1 || $('as-group').checked);
    $('finder').close();
  } catch (error) {
    $('finder-error').textContent = error.field === 'name' ? 'Give the group a name' : explain(error);
  } finally {
    $('finder-submit').disabled = false;
  }
}

async function startChat(participantIds, isGroup) {
  const made = await api('POST', '/api/chats', { participantIds, isGroup, ...(isGroup && { name: $('group-name').value }) });
  addChat(made);
  goTo(made.id);
}

async function addPeople(chat, ids) {
  for (const userId of ids) {
    await api('POST', chatPath(chat.id, 'participants'), { userId });
    finder.picked.delete(userId);
  }
}

export function listenFinder() {
  for (const id of ['new-chat', 'first-chat']) $(id).addEventListener('click', () => openFinder());
  $('people-search').addEventListener('input', () => {
    clearTimeout(finder.timer);
    finder.timer = setTimeout(search, SEARCH_PAUSE_MS);
  });
  $('people-search').addEventListener('keydown', (event) => { if (event.key === 'Enter') event.preventDefault(); });
  $('as-group').addEventListener('change', draw);
  $('finder-form').addEventListener('submit', submit);
}
