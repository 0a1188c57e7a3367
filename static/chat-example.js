// A whole chat client in one file, without a framework: an example to read,
// and to try the server with.
//
// It speaks the REST API for accounts, lists and history, and Socket.IO for
// everything that happens live. People's text reaches the page as text nodes
// only. `?transports=polling` (or `websocket`) in the address picks how to
// connect.

const $ = (id) => document.getElementById(id);

const HISTORY_PAGE = 50;
const GROUPING_MS = 5 * 60_000; // messages of one person this close stand together
const TYPING_REPEAT_MS = 3_000; // the server forgets "is typing" after 6 s
const TYPING_SHOWN_MS = 7_000;
const ACK_TIMEOUT_MS = 10_000;
const SEARCH_PAUSE_MS = 300;

// ---------------------------------------------------------------- the session
// Kept per tab, so that two tabs can be two people.

let session = JSON.parse(sessionStorage.getItem('parlance') ?? 'null'); // {user, token, expiresAt, refreshToken}
let refreshing = null;
let refreshTimer = 0;

class Refused extends Error {
  constructor(reply, status) {
    super(reply?.message ?? 'The server did not answer as expected');
    Object.assign(this, reply?.error, { status });
  }
}

function keepSession(next) {
  session = next;
  if (!next) return sessionStorage.removeItem('parlance');
  sessionStorage.setItem('parlance', JSON.stringify(next));
  clearTimeout(refreshTimer);
  const left = new Date(next.expiresAt) - Date.now() - 75_000;
  refreshTimer = setTimeout(() => refresh().catch(() => {}), Math.max(left, 5_000));
}

async function call(method, path, body) {
  const headers = {};
  if (body) headers['Content-Type'] = 'application/json';
  if (session) headers.Authorization = `Bearer ${session.token}`;
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Refused({ message: 'The server cannot be reached', error: { retryable: true } }, 0);
  }
  const reply = await response.json().catch(() => null);
  if (!reply?.success) throw new Refused(reply, response.status);
  return reply.data;
}

// A request in the name of the person; a token that ran out is renewed once.
async function api(method, path, body) {
  try {
    return await call(method, path, body);
  } catch (error) {
    if (error.status !== 401) throw error;
    await refresh();
    return call(method, path, body);
  }
}

// A refresh token works once, so everybody waits for the same answer.
function refresh() {
  refreshing ??= call('POST', '/api/auth/refresh', { refreshToken: session?.refreshToken })
    .then((next) => {
      keepSession({ ...session, ...next });
      if (socket?.connected) socket.emit('refresh-token', { token: session.token }, () => {});
    })
    .catch((error) => {
      if (error.status === 401 || error.status === 400) endSession();
      throw error;
    })
    .finally(() => { refreshing = null; });
  return refreshing;
}

function endSession() {
  keepSession(null);
  socket?.disconnect();
  history.replaceState(null, '', location.pathname + location.search);
  location.reload();
}

// ------------------------------------------------------------- what is known
// A chat is the server's Chat with these beside it:
//   messages (ascending seq), loaded, hasMoreBefore, pending, typing, draft, freshAfter

const chats = new Map();
let openId = null;
let connection = 'connecting';

const me = () => session.user;
const openChat = () => chats.get(openId);
const byActivity = (a, b) => activity(b) - activity(a);
const activity = (chat) => +new Date(chat.lastMessage?.createdAt ?? chat.updatedAt ?? chat.createdAt);
const others = (chat) => chat.participants.filter((one) => one.userId !== me().id);
const myRole = (chat) => chat.participants.find((one) => one.userId === me().id)?.role;

function titleOf(chat) {
  return chat.name ?? others(chat)[0]?.name ?? 'Nobody else';
}

function addChat(summary) {
  const chat = {
    messages: [], loaded: false, loading: null, hasMoreBefore: false,
    pending: [], typing: new Map(), draft: '', freshAfter: null, note: '', ...summary,
  };
  chats.set(chat.id, chat);
  return chat;
}

function dropChat(id) {
  chats.delete(id);
  if (openId === id) closeChat();
  render();
}

// Puts a message in its place; a repeat replaces what is there.
function putMessage(chat, message) {
  const list = chat.messages;
  let at = list.length;
  while (at > 0 && list[at - 1].seq >= message.seq) at -= 1;
  const repeat = list[at]?.seq === message.seq;
  list.splice(at, repeat ? 1 : 0, message);
  if (message.senderId === me().id && message.clientMsgId) {
    chat.pending = chat.pending.filter((one) => one.clientMsgId !== message.clientMsgId);
  }
  if (message.seq >= (chat.lastMessage?.seq ?? 0)) chat.lastMessage = message;
  chat.lastSeq = Math.max(chat.lastSeq, message.seq);
}

// ------------------------------------------------------- events of the server

const logged = {
  'new-message'(chat, message) {
    const known = message.seq <= chat.lastSeq;
    putMessage(chat, message);
    chat.typing.delete(message.senderId);
    const news = !known && message.type === 'text' && message.senderId !== me().id;
    if (news && message.seq > chat.readSeq && !isRead(chat)) {
      chat.unreadCount = Math.min(chat.unreadCount + 1, 100);
      toast(chat, titleOf(chat), preview(chat, message));
    }
    if (isRead(chat)) markRead(chat);
  },
  'chat-updated'(chat, { chat: changed }) {
    const { readSeq, unreadCount, lastMessage, ...shared } = changed;
    Object.assign(chat, shared, { rev: chat.rev });
  },
  'message-updated'(chat, message) {
    if (chat.messages.some((one) => one.seq === message.seq)) putMessage(chat, message);
    else if (chat.lastMessage?.seq === message.seq) chat.lastMessage = message;
  },
  'message-deleted'(chat, { seq, deletedAt }) {
    const gone = [...chat.messages, chat.lastMessage].filter((one) => one?.seq === seq);
    for (const one of gone) Object.assign(one, { content: '', deletedAt });
  },
  'reaction-updated'() {},
};

// Changes of a chat are numbered without a gap: what is old is dropped, and
// when something is missing, it is fetched.
function applyLogged(event, payload, { replayed = false } = {}) {
  const chat = chats.get(payload.chatId);
  if (!chat || payload.rev <= chat.rev) return;
  if (payload.rev > chat.rev + 1 && !replayed) return void catchUp(chat);
  chat.rev = payload.rev;
  logged[event]?.(chat, payload);
  render();
}

// Joins the live room of a chat and applies what was missed. The server puts
// us into the room before it reads its log, so nothing falls between.
function catchUp(chat) {
  chat.catchingUp ??= (async () => {
    for (;;) {
      const reply = await socket.timeout(ACK_TIMEOUT_MS)
        .emitWithAck('join-chat', { chatId: chat.id, rev: chat.rev });
      if (!reply.success) {
        if (reply.error.code === 'not-found') return dropChat(chat.id);
        if (!reply.error.retryable) return;
        await pause(reply.error.retryAfterMs ?? 1_000);
        continue;
      }
      if (reply.data.reset) return startOver(chat);
      for (const { rev, event, payload } of reply.data.events) {
        applyLogged(event, { chatId: chat.id, rev, ...payload }, { replayed: true });
      }
      if (!reply.data.more) return;
    }
  })().catch(() => {}).finally(() => { chat.catchingUp = null; });
  return chat.catchingUp;
}

async function startOver(chat) {
  const fresh = await api('GET', `/api/chats/${encodeURIComponent(chat.id)}`);
  Object.assign(chat, fresh, { messages: [], loaded: false });
  if (openId === chat.id) await loadMessages(chat);
  render();
}

const notified = {
  async 'new-chat'({ chatId, by }) {
    const chat = chats.get(chatId) ?? await fetchChat(chatId);
    if (by?.id === me().id || !chat) return;
    toast(chat, titleOf(chat), chat.isGroup ? `${by?.name ?? 'Somebody'} added you` : 'started a chat with you');
  },
  'participant-added'({ chatId, user, by }) {
    if (by?.id !== me().id) note(chatId, `${by?.name ?? 'Somebody'} added ${user?.name ?? 'somebody'}`);
  },
  'participant-removed'({ chatId, user, by }) {
    const chat = chats.get(chatId);
    if (user?.id !== me().id) {
      if (by?.id !== me().id) note(chatId, `${by?.name ?? 'Somebody'} removed ${user?.name ?? 'somebody'}`);
      return;
    }
    toast(null, chat ? titleOf(chat) : 'A group', `${by?.name ?? 'Somebody'} removed you`);
    dropChat(chatId);
  },
  'participant-left'({ chatId, user }) {
    note(chatId, `${user?.name ?? 'Somebody'} left`);
  },
};

// Something about a chat that is not in front of the person.
function note(chatId, text) {
  const chat = chats.get(chatId);
  if (chat && !isRead(chat)) toast(chat, titleOf(chat), text);
}

async function fetchChat(id) {
  const summary = await api('GET', `/api/chats/${encodeURIComponent(id)}`).catch(() => null);
  if (!summary) return null;
  const chat = chats.get(id) ?? addChat(summary);
  render();
  if (socket.connected) catchUp(chat);
  return chat;
}

// ------------------------------------------------------------- the connection

let socket = null;

function connect() {
  const wanted = new URLSearchParams(location.search).get('transports');
  socket = io({
    auth: (give) => give({ token: session.token }),
    ...(wanted && { transports: wanted.split(',') }),
  });
  socket.on('connect', onConnect);
  socket.on('disconnect', (reason) => {
    setConnection('reconnecting');
    // The server ends a connection whose token ran out; others come back by themselves.
    if (reason === 'io server disconnect') renewAndConnect();
  });
  socket.on('connect_error', (error) => {
    setConnection('reconnecting');
    if (error.data?.code) renewAndConnect();
  });
  socket.on('token-expiring', () => refresh().catch(() => {}));
  for (const event of Object.keys(logged)) socket.on(event, (payload) => applyLogged(event, payload));
  socket.on('sync-required', ({ chatId }) => chats.has(chatId) && catchUp(chats.get(chatId)));
  socket.on('notification', (one) => notified[one.type]?.(one));
  socket.on('user-typing', onTyping);
  socket.on('user-joined', ({ chatId, name }) => passing(chatId, `${name} is here`));
  socket.on('user-left', ({ chatId, userId, name }) => {
    chats.get(chatId)?.typing.delete(userId);
    passing(chatId, `${name} went away`);
  });
  socket.on('unread-updated', ({ chatId, unreadCount, readSeq }) => {
    const chat = chats.get(chatId);
    if (chat) Object.assign(chat, { unreadCount, readSeq: Math.max(readSeq, chat.readSeq) });
    render();
  });
}

async function onConnect() {
  try {
    await loadChats();
  } catch {
    // Told by the connection line; the client comes back when it can.
  }
  setConnection('connected');
  await Promise.all([...chats.values()].map(catchUp));
  for (const chat of chats.values()) for (const one of chat.pending) if (!one.failed) deliver(chat, one);
}

async function renewAndConnect() {
  try {
    await refresh();
    socket.connect();
  } catch {
    if (session) setTimeout(() => socket.connect(), 3_000);
  }
}

// What is known already stays: catching up brings it to the present.
async function loadChats() {
  const seen = new Set();
  let cursor = null;
  do {
    const query = new URLSearchParams({ limit: '50', ...(cursor && { cursor }) });
    const page = await api('GET', `/api/chats?${query}`);
    for (const summary of page.chats) {
      seen.add(summary.id);
      if (!chats.has(summary.id)) addChat(summary);
    }
    cursor = page.nextCursor;
  } while (cursor && seen.size < 200);
  if (!cursor) for (const id of chats.keys()) if (!seen.has(id)) dropChat(id);
  render();
  showAddressed();
}

// ------------------------------------------------------------------ messages

async function loadMessages(chat) {
  if (chat.loaded || chat.loading) return chat.loading;
  chat.messages = [];
  chat.loading = fetchHistory(chat, {}).then((page) => {
    chat.hasMoreBefore = page.hasMoreBefore;
    chat.loaded = true;
  });
  try {
    await chat.loading;
  } catch (error) {
    $('older').textContent = error.message;
  } finally {
    chat.loading = null;
  }
}

async function loadOlder(chat) {
  if (!chat?.loaded || !chat.hasMoreBefore || chat.loading) return;
  $('older').textContent = 'Loading older messages';
  chat.loading = fetchHistory(chat, { before: chat.messages[0].seq });
  try {
    chat.hasMoreBefore = (await chat.loading).hasMoreBefore;
    chat.loading = null;
    if (openId === chat.id) keepPlace(draw);
  } catch (error) {
    chat.loading = null;
    $('older').textContent = error.message;
  }
}

async function fetchHistory(chat, where) {
  const query = new URLSearchParams({ limit: HISTORY_PAGE, ...where });
  const page = await api('GET', `/api/chats/${encodeURIComponent(chat.id)}/messages?${query}`);
  const { lastMessage } = chat;
  for (const message of page.messages) putMessage(chat, message);
  if ((lastMessage?.seq ?? 0) > chat.lastMessage?.seq) chat.lastMessage = lastMessage;
  return page;
}

function send(chat, content) {
  const message = { clientMsgId: newId(), content, createdAt: new Date().toISOString(), failed: '' };
  chat.pending.push(message);
  deliver(chat, message);
  draw();
  toBottom();
}

// The same clientMsgId goes out until an answer comes: the server keeps one.
async function deliver(chat, message) {
  message.failed = '';
  while (socket.connected && chat.pending.includes(message)) {
    const { clientMsgId, content } = message;
    const sent = socket.timeout(ACK_TIMEOUT_MS)
      .emitWithAck('send-message', { chatId: chat.id, content, clientMsgId });
    const reply = await sent.catch(() => null);
    if (reply?.success) {
      putMessage(chat, reply.data);
      break;
    }
    if (reply && !reply.error.retryable) {
      message.failed = sentence(reply);
      break;
    }
    await pause(reply?.error.retryAfterMs ?? 1_000);
  }
  render();
}

// Whether what comes in is in front of the person's eyes.
function isRead(chat) {
  return chat.id === openId && document.visibilityState === 'visible' && isAtBottom();
}

function markRead(chat) {
  if (!chat.loaded || chat.lastSeq <= chat.readSeq) return;
  chat.readSeq = chat.lastSeq;
  chat.unreadCount = 0;
  socket.emit('mark-read', { chatId: chat.id, seq: chat.readSeq }); // kept until the connection is there
  render();
}

// -------------------------------------------------------------------- typing

let typingSent = 0;

function tellTyping(isTyping) {
  const chat = openChat();
  if (!chat || !socket?.connected) return;
  if (isTyping && Date.now() - typingSent < TYPING_REPEAT_MS) return;
  if (!isTyping && !typingSent) return;
  typingSent = isTyping ? Date.now() : 0;
  socket.volatile.emit('typing', { chatId: chat.id, isTyping });
}

function onTyping({ chatId, userId, name, isTyping }) {
  const chat = chats.get(chatId);
  if (!chat) return;
  clearTimeout(chat.typing.get(userId)?.timer);
  chat.typing.delete(userId);
  if (isTyping) {
    const timer = setTimeout(() => { chat.typing.delete(userId); render(); }, TYPING_SHOWN_MS);
    chat.typing.set(userId, { name, timer });
  }
  render();
}

function typingText(chat) {
  const names = [...chat.typing.values()].map((one) => one.name);
  if (names.length === 0) return '';
  if (names.length === 1) return `${names[0]} is typing`;
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing`;
  return `${names.length} people are typing`;
}

// Shown for a moment where the typing line is.
function passing(chatId, text) {
  const chat = chats.get(chatId);
  if (!chat) return;
  chat.note = text;
  setTimeout(() => { if (chat.note === text) chat.note = ''; render(); }, 3_500);
  render();
}

// ------------------------------------------------------------------- drawing

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// crypto.randomUUID exists on secure pages only; a server in the next room is none.
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// An element; children are elements or text, never markup.
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null && child !== ''));
  return node;
}

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}

// Makes the children of `parent` those of `items`, keeping elements that stay:
// focus, scroll and screen readers are not disturbed.
function list(parent, items, key, make) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const id = String(key(item));
    const content = JSON.stringify(item);
    let node = old.get(id);
    old.delete(id);
    if (!node || node.content !== content) {
      const made = Object.assign(make(item), { content });
      made.dataset.key = id;
      if (node) {
        if (at === node) at = made;
        const focused = node.contains(document.activeElement);
        node.replaceWith(made);
        if (focused) (made.querySelector('button') ?? made).focus();
      }
      node = made;
    }
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const node of old.values()) node.remove();
}

function hueOf(id) {
  let hash = 7;
  for (const character of String(id)) hash = (hash * 31 + character.codePointAt(0)) % 997;
  return (hash * 47) % 360;
}

function avatar(id, name, extra = '') {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  const node = el('span', { class: `avatar ${extra}`, 'aria-hidden': 'true' },
    letters.map((word) => [...word][0] ?? '').join('').toUpperCase());
  node.style.setProperty('--hue', hueOf(id));
  return node;
}

function chatAvatar(chat, extra = '') {
  const other = others(chat)[0];
  return chat.isGroup ? avatar(chat.id, titleOf(chat), `group ${extra}`) : avatar(other?.userId ?? '', titleOf(chat), extra);
}

const clock = new Intl.DateTimeFormat([], { hour: 'numeric', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat([], { weekday: 'short' });
const shortDate = new Intl.DateTimeFormat([], { day: 'numeric', month: 'short' });
const longDate = new Intl.DateTimeFormat([], { weekday: 'long', day: 'numeric', month: 'long' });
const fullTime = new Intl.DateTimeFormat([], { dateStyle: 'full', timeStyle: 'short' });
const dayOf = (time) => new Date(time).toDateString();

function daysAgo(time) {
  return Math.round((new Date().setHours(0, 0, 0, 0) - new Date(time).setHours(0, 0, 0, 0)) / 86_400_000);
}

function shortTime(time) {
  const days = daysAgo(time);
  if (days <= 0) return clock.format(new Date(time));
  if (days === 1) return 'Yesterday';
  return (days < 7 ? weekday : shortDate).format(new Date(time));
}

function longDay(time) {
  return ['Today', 'Yesterday'][daysAgo(time)] ?? longDate.format(new Date(time));
}

function preview(chat, message) {
  if (!message) return chat.isGroup ? 'New group' : 'Say hello';
  if (message.deletedAt) return 'Message deleted';
  if (message.type === 'system') return message.content;
  if (message.senderId === me().id) return `You: ${message.content}`;
  return chat.isGroup ? `${message.sender?.name.split(' ')[0] ?? ''}: ${message.content}` : message.content;
}

// Text with its web addresses as links.
function withLinks(text) {
  return text.split(/(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]])/).map((part, index) =>
    index % 2 ? el('a', { href: part, target: '_blank', rel: 'noopener noreferrer' }, part) : part);
}

const isEmoji = (text) => text.length <= 24 && /^(\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u200d|\ufe0f){1,12}$/u.test(text)
  && [...new Intl.Segmenter().segment(text)].length <= 3;

// Everything is drawn from what is known, once a frame at most.
let drawing = 0;
function render() {
  drawing ||= requestAnimationFrame(draw);
}

function draw() {
  cancelAnimationFrame(drawing);
  drawing = 0;
  if (!session) return;
  drawChats();
  const chat = openChat();
  $('open-chat').hidden = !chat;
  $('no-conversation').hidden = Boolean(chat);
  $('app').dataset.pane = chat ? 'chat' : 'chats';
  if (chat) drawConversation(chat);
  if ($('details').open) drawDetails();
  const unread = [...chats.values()].reduce((sum, one) => sum + (one.unreadCount > 0 ? 1 : 0), 0);
  document.title = `${unread ? `(${unread}) ` : ''}${chat ? `${titleOf(chat)} · ` : ''}Parlance`;
}

function drawChats() {
  const rows = [...chats.values()].sort(byActivity).map((chat) => ({
    id: chat.id,
    hueId: chat.isGroup ? chat.id : others(chat)[0]?.userId ?? '',
    isGroup: chat.isGroup,
    title: titleOf(chat),
    time: chat.lastMessage?.createdAt ?? chat.createdAt,
    shown: shortTime(chat.lastMessage?.createdAt ?? chat.createdAt),
    typing: typingText(chat),
    last: preview(chat, chat.pending.at(-1) ? { ...chat.pending.at(-1), senderId: me().id } : chat.lastMessage),
    unread: chat.unreadCount,
    current: chat.id === openId,
  }));
  list($('chats'), rows, (row) => row.id, (row) => el('li', null,
    el('button', { 'aria-current': row.current ? 'true' : null, class: row.unread ? 'unread' : null, onclick: () => goTo(row.id) },
      avatar(row.hueId, row.title, row.isGroup ? 'group' : ''),
      el('span', { class: 'name' }, row.title),
      el('time', { datetime: row.time }, row.shown),
      el('span', { class: `last${row.typing ? ' typing-now' : ''}` }, row.typing || row.last),
      row.unread ? el('span', { class: 'badge', 'aria-label': `${row.unread} unread` }, row.unread > 99 ? '99+' : String(row.unread)) : null)));
  $('no-chats').hidden = chats.size > 0 || connection === 'connecting';
  $('chats').hidden = chats.size === 0;
}

function drawConversation(chat) {
  const stuck = isAtBottom();
  $('chat-name').textContent = titleOf(chat);
  $('chat-avatar').replaceChildren(chatAvatar(chat, 'tiny'));
  $('chat-about').textContent = connection === 'reconnecting' ? 'Reconnecting…' : about(chat);
  $('open-chat').classList.toggle('direct', !chat.isGroup);
  drawMessages(chat);
  drawTyping(chat);
  if (!chat.loading) {
    $('older').textContent = chat.loaded && !chat.hasMoreBefore && chat.messages.length > 12 ? 'The beginning of this chat' : '';
  }
  if (stuck) toBottom();
  drawJump(chat);
}

function about(chat) {
  if (!chat.isGroup) return others(chat)[0]?.name ? 'Direct chat' : '';
  const names = others(chat).map((one) => one.name.split(' ')[0]);
  return names.length > 4 ? `${names.slice(0, 4).join(', ')} and ${names.length - 4} more` : [...names, 'you'].join(', ');
}

function drawTyping(chat) {
  const text = typingText(chat);
  if ($('typing').dataset.text === (text || chat.note)) return;
  $('typing').dataset.text = text || chat.note;
  const dots = text && el('i', { 'aria-hidden': 'true' }, el('b'), el('b'), el('b'));
  $('typing').replaceChildren(...[dots, text || chat.note].filter(Boolean));
}

// The messages with day lines, the line before what is new, and who stands
// together with whom.
function rowsOf(chat) {
  const mine = { senderId: me().id, sender: { name: me().name }, type: 'text' };
  const all = [...chat.messages, ...chat.pending.map((one) => ({ ...one, ...mine, waiting: true }))];
  const rows = [];
  all.forEach((message, index) => {
    const before = all[index - 1];
    const after = all[index + 1];
    if (!before || dayOf(before.createdAt) !== dayOf(message.createdAt)) {
      rows.push({ kind: 'day', key: `day-${dayOf(message.createdAt)}`, text: longDay(message.createdAt) });
    }
    const fresh = chat.freshAfter != null && message.seq > chat.freshAfter && !(before?.seq > chat.freshAfter);
    if (fresh) rows.push({ kind: 'fresh', key: 'fresh' });
    rows.push({
      kind: message.type,
      key: message.clientMsgId && message.senderId === me().id ? message.clientMsgId : message.id,
      message,
      first: fresh || !together(before, message),
      last: !together(message, after),
      mine: message.senderId === me().id,
    });
  });
  return rows;
}

function together(one, next) {
  return Boolean(one && next) && one.type === 'text' && next.type === 'text' && one.senderId === next.senderId
    && new Date(next.createdAt) - new Date(one.createdAt) < GROUPING_MS && dayOf(one.createdAt) === dayOf(next.createdAt);
}

const rowMakers = {
  day: ({ text }) => el('li', { class: 'day' }, el('span', null, text)),
  fresh: () => el('li', { class: 'fresh' }, 'New'),
  system: ({ message }) => el('li', { class: 'system' }, message.content),
  text: textRow,
};

function drawMessages(chat) {
  const messages = $('messages');
  if (messages.dataset.chat !== chat.id) messages.replaceChildren();
  messages.dataset.chat = chat.id;
  list(messages, rowsOf(chat), (row) => row.key, (row) => (rowMakers[row.kind] ?? textRow)(row));
}

function textRow({ message, first, last, mine }) {
  const author = message.sender?.name ?? 'Somebody';
  const text = message.deletedAt ? 'This message was deleted' : message.content;
  const marks = { message: true, first, last, mine, waiting: message.waiting && !message.failed, deleted: message.deletedAt, emoji: isEmoji(text) };
  const sending = message.failed ? 'Not sent' : 'Sending';
  const time = message.waiting ? sending : clock.format(new Date(message.createdAt));
  const row = el('li', { class: Object.keys(marks).filter((name) => marks[name]).join(' ') },
    avatar(message.senderId, author, 'small'),
    el('div', { class: 'body' },
      el('p', { class: 'author', 'aria-hidden': 'true' }, author),
      el('div', { class: 'bubble', dir: 'auto' },
        el('span', { class: 'sr' }, `${mine ? 'You' : author}: `),
        ...withLinks(text),
        el('time', { datetime: message.createdAt, title: fullTime.format(new Date(message.createdAt)) }, message.editedAt ? `edited ${time}` : time)),
      message.failed ? failure(message) : null));
  row.style.setProperty('--hue', hueOf(message.senderId));
  return row;
}

function failure({ clientMsgId, failed }) {
  const chat = openChat();
  const again = () => { deliver(chat, chat.pending.find((one) => one.clientMsgId === clientMsgId)); draw(); };
  const discard = () => { chat.pending = chat.pending.filter((one) => one.clientMsgId !== clientMsgId); draw(); };
  return el('p', { class: 'failure', role: 'alert' }, `Not sent: ${failed}`,
    el('button', { type: 'button', onclick: again }, 'Try again'),
    el('button', { type: 'button', onclick: discard }, 'Discard'));
}

// ------------------------------------------------------------------ scrolling

const isAtBottom = () => $('scroller').scrollHeight - $('scroller').scrollTop - $('scroller').clientHeight < 60;
const toBottom = () => { $('scroller').scrollTop = $('scroller').scrollHeight; };

function keepPlace(change) {
  const fromEnd = $('scroller').scrollHeight - $('scroller').scrollTop;
  change();
  $('scroller').scrollTop = $('scroller').scrollHeight - fromEnd;
}

function drawJump(chat) {
  $('jump').hidden = isAtBottom();
  const text = chat.unreadCount ? `${chat.unreadCount} new` : '';
  $('jump-text').textContent = text;
  $('jump').setAttribute('aria-label', text ? `${text}: go to the newest messages` : 'Go to the newest messages');
}

function onScroll() {
  const chat = openChat();
  if (!chat) return;
  drawJump(chat);
  if (isAtBottom()) markRead(chat);
  if ($('scroller').scrollTop < 240) loadOlder(chat);
}

// ---------------------------------------------------------- opening a chat
// The address names the open chat, so that "back" leads to the list.

const addressOf = (id) => `#/chats/${encodeURIComponent(id)}`;
const goTo = (id) => { location.hash = addressOf(id); };

function showAddressed() {
  const named = location.hash.match(/^#\/chats\/(.+)$/);
  const id = named && decodeURIComponent(named[1]);
  if (!id) return closeChat();
  if (id === openId) return;
  const chat = chats.get(id);
  if (chat) showChat(chat);
}

async function showChat(chat) {
  leaveOpenChat();
  openId = chat.id;
  toastsOf(chat.id).forEach((one) => one.remove());
  chat.freshAfter = chat.unreadCount ? chat.readSeq : null;
  $('draft').value = chat.draft;
  sizeDraft();
  $('older').textContent = '';
  draw();
  await loadMessages(chat);
  // Reading goes on where it ended, also when that is a page further up.
  if (chat.freshAfter != null && chat.messages[0]?.seq > chat.freshAfter + 1) await loadOlder(chat);
  if (openId !== chat.id) return;
  draw();
  showFresh();
  if (isAtBottom() && document.visibilityState === 'visible') markRead(chat);
  if (matchMedia('(hover: hover)').matches) $('draft').focus();
  else $('chat-name').focus({ preventScroll: true });
}

// Where reading goes on: at what is new, else at the end.
function showFresh() {
  toBottom();
  const fresh = $('messages').querySelector('.fresh');
  if (fresh) fresh.scrollIntoView({ block: 'start' });
}

function leaveOpenChat() {
  const chat = openChat();
  tellTyping(false);
  if (chat) Object.assign(chat, { draft: $('draft').value, freshAfter: null });
}

function closeChat() {
  const was = openId;
  leaveOpenChat();
  openId = null;
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  draw();
  [...$('chats').children].find((row) => row.dataset.key === was)?.querySelector('button').focus();
}

// ------------------------------------------------------------------- composer

function sizeDraft() {
  if (!CSS.supports('field-sizing', 'content')) {
    $('draft').style.height = 'auto';
    $('draft').style.height = `${$('draft').scrollHeight + 2}px`;
  }
  $('send').disabled = !$('draft').value.trim();
}

function submitDraft(event) {
  event?.preventDefault();
  const content = $('draft').value.trim();
  const chat = openChat();
  if (!content || !chat) return;
  tellTyping(false);
  chat.freshAfter = null;
  $('draft').value = '';
  sizeDraft();
  send(chat, content);
  $('draft').focus();
}

function onDraftKey(event) {
  const plainEnter = event.key === 'Enter' && !event.shiftKey && !event.isComposing;
  if (plainEnter && matchMedia('(hover: hover)').matches) submitDraft(event);
}

// --------------------------------------------------------- toasts, state line

const toastsOf = (key) => [...$('toasts').children].filter((one) => one.dataset.key === key);

function toast(chat, title, text) {
  const key = chat?.id ?? title;
  toastsOf(key).forEach((one) => one.remove());
  const open = () => { if (chat) goTo(chat.id); box.remove(); };
  const box = el('button', { class: 'toast', type: 'button', onclick: open },
    chat ? chatAvatar(chat, 'tiny') : avatar(title, title, 'tiny'),
    el('span', { class: 'text' }, el('strong', null, title), el('span', null, text)));
  box.dataset.key = key;
  $('toasts').append(box);
  while ($('toasts').children.length > 3) $('toasts').firstChild.remove();
  setTimeout(() => box.remove(), 6_000);
}

function setConnection(next) {
  if (next === connection) return;
  const again = connection === 'reconnecting' && next === 'connected';
  connection = next;
  const line = $('connection');
  line.hidden = next === 'connected' && !again;
  line.classList.toggle('good', again);
  line.textContent = again ? 'Connected again' : 'Reconnecting…';
  if (again) setTimeout(() => { if (connection === 'connected') line.hidden = true; }, 2_000);
  render();
}

// ------------------------------------------------------------- finding people

const finder = { chat: null, picked: new Map(), found: [], timer: 0 };

// For a new chat, or for more people in `chat`.
function openFinder(chat = null) {
  Object.assign(finder, { chat, found: [] });
  finder.picked.clear();
  $('finder-form').reset();
  $('finder-title').textContent = chat ? `Add to ${titleOf(chat)}` : 'New chat';
  $('finder-error').textContent = '';
  $('found-hint').textContent = 'Type at least two letters of a name';
  drawFinder();
  $('finder').showModal();
  $('people-search').focus();
}

function onSearch() {
  clearTimeout(finder.timer);
  finder.timer = setTimeout(search, SEARCH_PAUSE_MS);
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
    hint = error.message;
  }
  if ($('people-search').value.trim() !== text) return;
  const there = new Set(finder.chat?.participants.map((one) => one.userId) ?? []);
  finder.found = found.filter((one) => one.id !== me().id && !there.has(one.id));
  $('found-hint').textContent = hint || (finder.found.length ? '' : 'Everybody found is here already');
  drawFinder();
}

function pick(person) {
  if (!finder.picked.delete(person.id)) finder.picked.set(person.id, person);
  drawFinder();
}

function drawFinder() {
  const rows = finder.found.map((person) => ({ ...person, picked: finder.picked.has(person.id) }));
  list($('found'), rows, (row) => row.id, (row) => el('li', null,
    el('button', { type: 'button', class: 'person', 'aria-pressed': String(row.picked), onclick: () => pick(row) },
      avatar(row.id, row.name),
      personText(row.name, roleName(row.role)),
      el('span', { class: 'mark' }, icon('check')))));
  list($('picked'), [...finder.picked.values()], (one) => one.id, (one) =>
    el('button', { type: 'button', class: 'chip', 'aria-label': `Take ${one.name} off the list`, onclick: () => pick(one) }, one.name, icon('close')));
  const count = finder.picked.size;
  const group = !finder.chat && (count > 1 || $('as-group').checked);
  $('group-check').hidden = Boolean(finder.chat) || count !== 1;
  $('group-name-field').hidden = !group;
  $('finder-submit').disabled = count === 0;
  $('finder-submit').textContent = finder.chat ? 'Add' : group ? 'Start group' : 'Start chat';
}

const roleName = (role) => ({ student: 'Student', tutor: 'Tutor', admin: 'Admin' })[role] ?? '';

function personText(name, detail) {
  return el('span', { class: 'text' }, el('strong', null, name), detail ? el('span', { class: 'quiet' }, detail) : null);
}

async function submitFinder(event) {
  event.preventDefault();
  const ids = [...finder.picked.keys()];
  const isGroup = ids.length > 1 || $('as-group').checked;
  $('finder-submit').disabled = true;
  $('finder-error').textContent = '';
  try {
    if (finder.chat) await addPeople(finder.chat, ids);
    else await startChat(ids, isGroup, $('group-name').value);
    $('finder').close();
  } catch (error) {
    $('finder-error').textContent = error.field === 'name' ? 'Give the group a name' : error.message;
  } finally {
    $('finder-submit').disabled = false;
  }
}

async function startChat(participantIds, isGroup, name) {
  const body = { participantIds, isGroup, ...(isGroup && { name }) };
  const made = await api('POST', '/api/chats', body);
  const chat = chats.get(made.id) ?? addChat(made);
  catchUp(chat);
  goTo(chat.id);
}

async function addPeople(chat, ids) {
  for (const userId of ids) {
    await api('POST', `/api/chats/${encodeURIComponent(chat.id)}/participants`, { userId });
    finder.picked.delete(userId);
  }
}

// ------------------------------------------------------------ who is in a chat

function openDetails() {
  $('details-error').textContent = '';
  drawDetails();
  $('details').showModal();
}

function drawDetails() {
  const chat = openChat();
  if (!chat) return $('details').close();
  $('details-title').textContent = chat.isGroup ? `${chat.participants.length} people` : titleOf(chat);
  $('details-actions').hidden = !chat.isGroup;
  const mayRemove = chat.isGroup && (['owner', 'moderator'].includes(myRole(chat)) || me().role === 'admin');
  const rows = chat.participants.map((one) => ({
    ...one,
    mine: one.userId === me().id,
    removable: mayRemove && one.userId !== me().id && (one.role !== 'owner' || me().role === 'admin'),
  }));
  list($('participants'), rows, (row) => row.userId, (row) => el('li', { class: 'person' },
    avatar(row.userId, row.name),
    personText(row.mine ? `${row.name} (you)` : row.name, { owner: 'Owner', moderator: 'Moderator' }[row.role]),
    row.removable ? sureButton('remove', 'Remove', 'Really?', () => remove(chat, row.userId), `Remove ${row.name}`) : null));
}

async function remove(chat, userId) {
  await inDetails(() => api('DELETE', `/api/chats/${encodeURIComponent(chat.id)}/participants/${encodeURIComponent(userId)}`));
}

async function leave() {
  const chat = openChat();
  const left = await inDetails(() => api('POST', `/api/chats/${encodeURIComponent(chat.id)}/leave`));
  if (left) {
    $('details').close();
    dropChat(chat.id);
  }
}

async function inDetails(act) {
  try {
    await act();
    return true;
  } catch (error) {
    $('details-error').textContent = error.message;
    return false;
  }
}

// A button that acts on the second click.
function sureButton(className, text, question, act, label) {
  const button = el('button', { type: 'button', class: className, 'aria-label': label }, text);
  beSure(button, question, act);
  return button;
}

function beSure(button, question, act) {
  const usual = [...button.childNodes];
  let timer = 0;
  const calm = () => { clearTimeout(timer); timer = 0; button.replaceChildren(...usual); };
  button.addEventListener('click', () => {
    if (timer) { calm(); act(); return; }
    button.replaceChildren(question);
    timer = setTimeout(calm, 4_000);
  });
  button.addEventListener('blur', calm);
}

// --------------------------------------------------------------- logging in

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
  $('entry-error').textContent = error ? sentence(error) : '';
  for (const field of ['name', 'email', 'password']) {
    if (error?.field === field) $('entry')[field].setAttribute('aria-invalid', 'true');
    else $('entry')[field].removeAttribute('aria-invalid');
  }
  if (error?.field) $('entry')[error.field]?.focus();
}

// The server's sentences name the field as programs know it.
function sentence(error) {
  const names = { name: 'Your name', email: 'The e-mail address', password: 'The password', content: 'The message' };
  return error.message.replace(/^`?(\w+)`?/, (whole, word) => names[word] ?? whole);
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

async function logout() {
  await api('POST', '/api/auth/logout').catch(() => {});
  endSession();
}

// -------------------------------------------------------------------- starting

function start() {
  $('welcome').hidden = Boolean(session);
  $('app').hidden = !session;
  if (!session) return drawEntry();
  $('me').replaceChildren(avatar(me().id, me().name, 'tiny'));
  $('me').setAttribute('aria-label', `Your account: ${me().name}`);
  $('account-name').textContent = me().name;
  $('account-email').textContent = [me().email, roleName(me().role)].filter(Boolean).join(' · ');
  keepSession(session);
  draw();
  connect();
}

function listen() {
  $('entry').addEventListener('submit', submitEntry);
  $('switch').addEventListener('click', () => { registering = !registering; drawEntry(); });
  $('new-chat').addEventListener('click', () => openFinder());
  $('first-chat').addEventListener('click', () => openFinder());
  $('me').addEventListener('click', () => $('account').showModal());
  $('logout').addEventListener('click', logout);
  $('back').addEventListener('click', closeChat);
  $('details-button').addEventListener('click', openDetails);
  $('add-people').addEventListener('click', () => { $('details').close(); openFinder(openChat()); });
  beSure($('leave'), 'Really leave?', leave);
  $('composer').addEventListener('submit', submitDraft);
  $('draft').addEventListener('keydown', onDraftKey);
  $('draft').addEventListener('input', () => { sizeDraft(); tellTyping($('draft').value.trim() !== ''); });
  $('draft').addEventListener('blur', () => tellTyping(false));
  $('scroller').addEventListener('scroll', onScroll, { passive: true });
  $('jump').addEventListener('click', () => { toBottom(); $('draft').focus(); });
  $('people-search').addEventListener('input', onSearch);
  $('people-search').addEventListener('keydown', (event) => { if (event.key === 'Enter') event.preventDefault(); });
  $('as-group').addEventListener('change', drawFinder);
  $('finder-form').addEventListener('submit', submitFinder);
  $('chats').addEventListener('keydown', onListKey);
  for (const close of document.querySelectorAll('[data-close]')) close.addEventListener('click', () => close.closest('dialog').close());
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  }
  addEventListener('hashchange', showAddressed);
  addEventListener('resize', () => { if (openChat() && isAtBottom()) toBottom(); });
  document.addEventListener('visibilitychange', () => { if (openChat() && isRead(openChat())) markRead(openChat()); });
}

// Arrow keys walk through the list of chats.
function onListKey(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const buttons = [...$('chats').querySelectorAll('button')];
  buttons[buttons.indexOf(document.activeElement) + step]?.focus();
}

if (typeof io === 'undefined') {
  $('fault').hidden = false;
  $('fault').textContent = 'The Socket.IO client is missing: this server was built without Node.js and npm. Install them and build it again.';
} else {
  listen();
  start();
}
