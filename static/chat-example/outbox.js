// What was written here and is not known to be stored. It survives a reload of
// the page, and goes out in order until an answer comes: the same clientMsgId
// makes one message, however often it is sent.

import { ask, isConnected, pause } from './live.js';
import { me } from './session.js';
import { changed, on, state, take, tell } from './store.js';
import { explain, seconds } from './words.js';

const key = () => `parlance-outbox-${me().id}`;

// crypto.randomUUID exists on secure pages only; a server in the next room is none.
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

export function send(chat, body) {
  chat.pending.push({ ...body, clientMsgId: newId(), createdAt: new Date().toISOString(), failed: '' });
  tell('pending');
  changed();
  pump(chat);
}

export function retry(chat, clientMsgId) {
  for (const one of chat.pending) if (one.clientMsgId === clientMsgId) one.failed = '';
  changed();
  pump(chat);
}

export function discard(chat, clientMsgId) {
  chat.pending = chat.pending.filter((one) => one.clientMsgId !== clientMsgId);
  tell('pending');
  changed();
}

async function pump(chat) {
  if (chat.pumping) return;
  chat.pumping = true;
  try {
    for (;;) {
      const next = chat.pending.find((one) => !one.failed && !one.stored);
      if (!next || !isConnected()) return;
      await deliver(chat, next);
    }
  } finally {
    chat.pumping = false;
  }
}

async function deliver(chat, message) {
  const { clientMsgId, content, replyTo, mentions } = message;
  const body = { chatId: chat.id, content, clientMsgId, ...(replyTo && { replyTo }), ...(mentions?.length && { mentions }) };
  const reply = await ask('send-message', body).catch(() => null);
  if (reply?.success) {
    message.stored = true; // it leaves the list when it stands in the history
    take(chat, reply.data);
  } else if (reply && !reply.error.retryable) {
    message.failed = explain({ message: reply.message, ...reply.error });
  } else {
    chat.slow = reply?.error.code === 'rate-limited' && `That was a little fast. Sending goes on in ${seconds(reply.error.retryAfterMs ?? 1_000)}.`;
    changed();
    await pause(reply?.error.retryAfterMs ?? 1_000);
    chat.slow = false;
  }
  changed();
}

const flush = () => { for (const chat of state.chats.values()) pump(chat); };

function keep() {
  const all = [...state.chats.values()].filter((chat) => chat.pending.length).map((chat) => [chat.id, chat.pending]);
  if (all.length) sessionStorage.setItem(key(), JSON.stringify(all));
  else sessionStorage.removeItem(key());
}

/** What an earlier visit could not send. */
export function restore() {
  const kept = new Map(JSON.parse(sessionStorage.getItem(key()) ?? '[]'));
  const adopt = () => {
    for (const [id, pending] of kept) {
      const chat = state.chats.get(id);
      if (!chat) continue;
      kept.delete(id);
      chat.pending.push(...pending.map((one) => ({ ...one, stored: false })));
    }
  };
  on('listed', () => { adopt(); keep(); changed(); });
  on('pending', () => { if (kept.size === 0) keep(); });
  on('connected', flush);
}
