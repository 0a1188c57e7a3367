// Everything that is put into words or figures.

import { me } from './session.js';
import { isMine, isOnline, others, state } from './store.js';

const clock = new Intl.DateTimeFormat([], { hour: 'numeric', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat([], { weekday: 'short' });
const shortDate = new Intl.DateTimeFormat([], { day: 'numeric', month: 'short' });
const longDate = new Intl.DateTimeFormat([], { weekday: 'long', day: 'numeric', month: 'long' });
const fullTime = new Intl.DateTimeFormat([], { dateStyle: 'full', timeStyle: 'short' });

export const timeOf = (time) => clock.format(new Date(time));
export const fullTimeOf = (time) => fullTime.format(new Date(time));
export const dayOf = (time) => new Date(time).toDateString();

function daysAgo(time) {
  return Math.round((new Date().setHours(0, 0, 0, 0) - new Date(time).setHours(0, 0, 0, 0)) / 86_400_000);
}

export function shortTime(time) {
  const days = daysAgo(time);
  if (days <= 0) return timeOf(time);
  if (days === 1) return 'Yesterday';
  return (days < 7 ? weekday : shortDate).format(new Date(time));
}

export const longDay = (time) => ['Today', 'Yesterday'][daysAgo(time)] ?? longDate.format(new Date(time));

export const firstName = (name) => name.trim().split(/\s+/)[0];
export const roleName = (role) => ({ student: 'Student', tutor: 'Tutor', admin: 'Admin' })[role] ?? '';
export const standing = (role) => ({ owner: 'Owner', moderator: 'Moderator', member: 'Member' })[role] ?? '';

export function listed(names, rest = 3) {
  if (names.length <= 1) return names.join('');
  if (names.length > rest + 1) return `${names.slice(0, rest).join(', ')} and ${names.length - rest} more`;
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/** A system message, from what it says to programs. */
export function systemText(message) {
  const { kind, params = {} } = message.system ?? {};
  const { userId, name, byId, byName } = params;
  const you = (id, called) => (id === me().id ? 'You' : called ?? 'Somebody');
  const object = userId === me().id ? 'you' : name;
  const by = you(byId, byName);
  switch (kind) {
    case 'participant-added': return byName ? `${by} added ${object}` : `${you(userId, name)} joined`;
    case 'participant-removed': return byName ? `${by} removed ${object}` : `${you(userId, name)} ${userId === me().id ? 'were' : 'was'} removed`;
    case 'participant-left': return `${you(userId, name)} left`;
    case 'chat-renamed': return `The group is now called “${name}”`;
    case 'owner-changed': return byName && byId !== userId ? `${by} made ${object} the owner` : `${you(userId, name)} ${userId === me().id ? 'are' : 'is'} now the owner`;
    default: return message.content;
  }
}

export function preview(chat, message) {
  if (!message) return chat.isGroup ? 'New group' : 'Say hello';
  if (message.type === 'system') return systemText(message);
  const text = message.deletedAt ? 'Message deleted' : message.content;
  if (isMine(message)) return `You: ${text}`;
  return chat.isGroup ? `${firstName(message.sender?.name ?? '')}: ${text}` : text;
}

export function typingText(chat) {
  const names = [...chat.typing.values()].map((one) => one.name);
  if (names.length === 0) return '';
  if (names.length > 2) return `${names.length} people are typing`;
  return `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} typing`;
}

export function presenceText(userId) {
  const one = state.presence.get(userId);
  if (!one) return '';
  if (one.status === 'online') return 'Online';
  return one.lastSeenAt ? `Last here ${daysAgo(one.lastSeenAt) ? shortTime(one.lastSeenAt).toLowerCase() : `at ${timeOf(one.lastSeenAt)}`}` : 'Offline';
}

export function about(chat) {
  if (!chat.isGroup) return presenceText(others(chat)[0]?.userId) || 'Direct chat';
  const online = chat.participants.filter((one) => isOnline(one.userId)).length;
  const names = [...others(chat).map((one) => firstName(one.name)), 'you'];
  return `${listed(names)}${online > 1 ? ` · ${online} online` : ''}`;
}

export function notificationText({ type, by, user, message, chat }) {
  const who = by?.name ?? message?.sender?.name ?? user?.name ?? 'Somebody';
  const whom = user?.id === me().id ? 'you' : user?.name ?? 'somebody';
  switch (type) {
    case 'new-chat': return chat && !chat.isGroup ? `${who} started a chat with you` : `${who} added you`;
    case 'participant-added': return `${who} added ${whom}`;
    case 'participant-removed': return `${who} removed ${whom}`;
    case 'participant-left': return `${user?.name ?? 'Somebody'} left`;
    case 'mention': return `${who} mentioned you: ${message?.content || 'message deleted'}`;
    default: return `${who}: ${message?.content || 'message deleted'}`;
  }
}

const FIELDS = {
  name: 'The name', email: 'The e-mail address', password: 'The password', content: 'The message',
  currentPassword: 'The present password', newPassword: 'The new password', participantIds: 'The list of people',
};

export const seconds = (ms) => { const whole = Math.max(1, Math.ceil(ms / 1000)); return whole === 1 ? 'a second' : `${whole} seconds`; };

/** A failure in one plain sentence. The server's sentences name fields as programs know them. */
export function explain(error) {
  switch (error?.code) {
    case 'rate-limited': return `That was a little fast. Try again in ${seconds(error.retryAfterMs ?? 1000)}.`;
    case 'unavailable':
    case 'internal': return 'The server has a problem just now. Try again in a moment.';
    case 'not-found': return 'That is not there any more.';
    case 'edit-window-closed': return 'It is too late to change this message.';
    case 'validation-failed':
      return error.message.replace(/^`?email`? must be an e-mail address/, 'This is not an e-mail address').replace(/^`?(\w+)`?/, (whole, word) => FIELDS[word] ?? whole);
    default: return error?.code && error.message ? error.message : 'No answer came. Try again in a moment.';
  }
}
