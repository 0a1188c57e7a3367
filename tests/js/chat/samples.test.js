// The code that clients of the original system were told to write, word for word, in a page served by this server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { inEveryMode } from "../support/modes.js";
import { Parlance } from "../support/parlance.js";
import { assertMessage } from "../support/shapes.js";
import { until } from "../support/wait.js";

const CONNECT = `
const socket = io({
  auth: {
    token: authToken
  }
});

socket.on('connect', () => {
  console.log('Connected to socket server');
});

socket.on('connect_error', (error) => {
  console.error('Socket connection error:', error);
});
`;

const JOIN = `
socket.emit('join-chat', chatId);
`;

const LISTEN = `
socket.on('new-message', (message) => {
  console.log('New message:', message);
  // Update UI with the new message
});
`;

const SEND_REST = `
fetch(\`/api/chats/\${chatId}/messages\`, {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    'Authorization': \`Bearer \${authToken}\`
  },
  body: JSON.stringify({ content: 'Hello!' })
});
`;

const SEND_SOCKET = `
socket.emit('send-message', {
  chatId: chatId,
  content: 'Hello!'
});
`;

const TYPING = `
// When user starts typing
socket.emit('typing', { chatId: chatId, isTyping: true });

// When user stops typing
socket.emit('typing', { chatId: chatId, isTyping: false });

// Listen for typing events
socket.on('user-typing', (data) => {
  if (data.isTyping) {
    console.log(\`User \${data.userId} is typing...\`);
  } else {
    console.log(\`User \${data.userId} stopped typing\`);
  }
});
`;

const NOTIFICATIONS = `
socket.on('notification', (notification) => {
  console.log('Notification:', notification);
  // Handle different notification types
  switch (notification.type) {
    case 'new-chat':
      // Refresh chat list
      break;
    case 'participant-added':
    case 'participant-removed':
    case 'participant-left':
      // Update chat participants
      break;
  }
});
`;

let app;
before(async () => {
  app = await Parlance.start();
  // What a page has: the client finds its server by `location`.
  const { hostname, host, port } = new URL(app.url);
  globalThis.location = { protocol: "http:", hostname, host, port };
});
after(() => {
  delete globalThis.location;
  return app.stop();
});

/** A page in which the samples run; `log` is what its console got. */
class Page {
  constructor(t, mode, person, chatId) {
    this.log = [];
    const write = (...args) => this.log.push(args);
    this.scope = {
      authToken: person.token,
      chatId,
      io: (options) => io({ ...options, transports: mode.transports, forceNew: true }),
      fetch: (route, init) => fetch(app.url + route, init),
      console: { log: write, error: write },
    };
    this.scope.socket = this.run(`${CONNECT}; return socket;`);
    t.after(() => this.scope.socket.disconnect());
  }

  run(code) {
    return new Function(...Object.keys(this.scope), code)(...Object.values(this.scope));
  }

  said(what) {
    return until(`the console says ${what}`, () => this.log.find(([text]) => text === what));
  }
}

inEveryMode("the samples", (mode) => {
  test("connect, join, send both ways, type and notify", async (t) => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const [here, there] = [new Page(t, mode, ann, chat.id), new Page(t, mode, ben, chat.id)];
    for (const page of [here, there]) {
      await page.said("Connected to socket server");
      page.run(LISTEN);
      page.run(NOTIFICATIONS);
      page.run(JOIN);
    }
    there.run("socket.on('user-joined', () => {});");
    there.run(TYPING.slice(TYPING.indexOf("// Listen")));
    // `join-chat` was sent without an acknowledgement: the room is known to be joined when it answers to the next one.
    await Promise.all([here, there].map((page) => page.scope.socket.emitWithAck("join-chat", chat.id)));
    const typing = `User ${ann.id} is typing...`;
    // A sign of typing may be lost, and people type on.
    await until("the typing is seen", () => {
      here.run(TYPING.slice(0, TYPING.indexOf("// When user stops")));
      return there.log.some(([text]) => text === typing);
    });
    here.run(TYPING);
    await there.said(`User ${ann.id} stopped typing`);
    here.run(SEND_SOCKET);
    assertMessage((await there.said("New message:"))[1], { content: "Hello!", senderId: ann.id });
    there.log.length = 0;
    here.run(SEND_REST);
    assertMessage((await there.said("New message:"))[1], { content: "Hello!", senderId: ann.id });
    await ann.group("Another", ben);
    await until("the notification", () => there.log.find(([text, notification]) => text === "Notification:" && notification.type === "new-chat"));
  });

  test("a wrong token reaches the sample's error handler", async (t) => {
    const [ann] = await app.people("Ann");
    const page = new Page(t, mode, ann.with("wrong"), "none");
    const [, error] = await page.said("Socket connection error:");
    assert.match(error.message, /^Authentication error: /);
  });
});
