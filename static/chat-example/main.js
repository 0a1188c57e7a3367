// A whole chat client without a framework: an example to read, and to try the
// server with. It speaks REST for accounts, lists and history, and Socket.IO
// for everything that happens live. `?transports=polling` (or `websocket`) in
// the address picks how to connect.
//
//   session.js   who is logged in, requests      chat-list.js     the list
//   store.js     what is known, and the log      conversation.js  the open chat
//   live.js      the connection, catching up     message-row.js   a message
//   outbox.js    what is not stored yet          composer.js      writing
//   words.js     everything put into words       finder.js, panels.js  dialogs
//   dom.js       elements, menus, toasts         theme.js         light and dark

import { chatAvatar, drawChats, goTo, listenChats } from './chat-list.js';
import { listenComposer } from './composer.js';
import { drawConversation, listenConversation } from './conversation.js';
import { $, avatar, complain, toast } from './dom.js';
import { listenFinder } from './finder.js';
import { connect } from './live.js';
import { restore } from './outbox.js';
import { drawDetails, drawInbox, listenPanels, showMe } from './panels.js';
import { call, endedUnasked, keepSession, me } from './session.js';
import { on, state, titleOf } from './store.js';
import { explain, notificationText, preview } from './words.js';

// ---------------------------------------------------------------- at the door

let registering = false;

function drawEntry() {
  $('welcome-title').textContent = registering ? 'Create an account' : 'Welcome back';
  $('welcome-text').textContent = registering ? 'It takes half a minute.' : 'Log in to go on with your chats.';
  $('name-field').hidden = !registering;
  $('password-hint').hidden = !registering;
  $('entry').password.autocomplete = registering ? 'new-password' : 'current-password';
  $('entry-submit').textContent = registering ? 'Create account' : 'Log in';
  $('switch-text').textContent = registering ? 'Been here before?' : 'New here?';
  $('switch').textContent = registering ? 'Log in' : 'Create an account';
  showEntryError(null);
}

function showEntryError(error) {
  $('entry-error').textContent = error ? explain(error).replace(/^The name/, 'Your name') : '';
  for (const field of ['name', 'email', 'password']) {
    if (error?.field === field) $('entry')[field].setAttribute('aria-invalid', 'true');
    else $('entry')[field].removeAttribute('aria-invalid');
  }
  if (error?.field) $('entry')[error.field]?.focus();
}

async function submitEntry(event) {
  event.preventDefault();
  const { name, email, password } = $('entry');
  const body = { email: email.value, password: password.value, ...(registering && { name: name.value }) };
  $('entry-submit').disabled = true;
  try {
    keepSession(await call('POST', `/api/auth/${registering ? 'register' : 'login'}`, body));
    password.value = '';
    start();
  } catch (error) {
    showEntryError(error);
  } finally {
    $('entry-submit').disabled = false;
  }
}

// -------------------------------------------------------------------- inside

const isSeen = (chat) => chat?.id === state.openId && document.visibilityState === 'visible';

function listenToNews() {
  on('change', () => { drawChats(); drawConversation(); if ($('details').open) drawDetails(); drawInbox(); });
  on('message', (chat, message) => {
    if (isSeen(chat) || message.type !== 'text' || message.seq <= chat.readSeq) return;
    toast(chat.id, chatAvatar(chat, 'tiny'), titleOf(chat), preview(chat, message), () => goTo(chat.id, message.seq));
  });
  on('told', (one, chat) => {
    const gone = one.type === 'participant-removed' && one.user?.id === me().id;
    if (one.by?.id === me().id || (isSeen(chat) && !gone)) return;
    const title = chat ? titleOf(chat) : 'A group';
    const text = one.type === 'new-chat' && chat && !chat.isGroup ? 'started a chat with you' : notificationText({ ...one, chat: one.chat ?? chat });
    toast(one.chatId, chat ? chatAvatar(chat, 'tiny') : avatar(title, title, 'tiny'), title, text, chat && !gone ? () => goTo(chat.id) : null);
  });
  on('failed', (failure) => { if (failure.event !== 'session') complain(explain({ message: failure.message, ...failure.error })); });
}

function start() {
  $('welcome').hidden = Boolean(me());
  $('app').hidden = !me();
  if (!me()) {
    drawEntry();
    if (endedUnasked()) $('welcome-text').textContent = 'Your session has ended. Log in to go on with your chats.';
    return;
  }
  keepSession(JSON.parse(sessionStorage.getItem('parlance')));
  showMe();
  restore();
  drawChats();
  drawConversation();
  connect();
}

if (typeof window.io === 'undefined') {
  $('fault').hidden = false;
  $('fault').textContent = 'The Socket.IO client is missing: this server was built without Node.js and npm. Install them and build it again.';
} else {
  $('entry').addEventListener('submit', submitEntry);
  $('switch').addEventListener('click', () => { registering = !registering; drawEntry(); });
  listenToNews();
  for (const listen of [listenChats, listenConversation, listenComposer, listenFinder, listenPanels]) listen();
  start();
}
