// Stock clients that write and read while their server dies, and keep a record of it.
import { randomUUID } from "node:crypto";
import { io } from "socket.io-client";

const now = () => performance.now();

function connect(person, options) {
  return io(person.app.url, {
    auth: (give) => give({ token: person.token }),
    forceNew: true,
    reconnectionDelay: 20,
    reconnectionDelayMax: 200,
    ...options,
  });
}

/** Sends one message after another until it is stopped; `window` of them at a time. */
export class Writer {
  ops = [];
  #running = true;

  /** With `retries` the client repeats by itself until it is answered; without, the outcome of a lost one stays unknown. */
  constructor(person, chat, { retries = false, window = 4, transports = ["websocket"] } = {}) {
    Object.assign(this, { person, chat, retries });
    this.socket = connect(person, retries ? { transports, retries: 1000, ackTimeout: 1500 } : { transports });
    this.lanes = Array.from({ length: window }, () => this.#write());
  }

  async #write() {
    while (this.#running) await this.#send();
  }

  async #send() {
    const clientMsgId = randomUUID();
    const content = `${this.person.name} ${clientMsgId}`;
    const op = { writer: this.person.name, clientMsgId, content, invoked: now(), outcome: "unknown" };
    this.ops.push(op);
    const message = { chatId: this.chat, content, clientMsgId };
    try {
      const answer = await (this.retries ? this.socket : this.socket.timeout(1500)).emitWithAck("send-message", message);
      op.ended = now();
      if (answer.success) Object.assign(op, { outcome: "ok", id: answer.data.id, seq: answer.data.seq });
      else if (!answer.error.retryable && answer.error.code !== "internal") op.outcome = "refused";
    } catch {
      // No answer: it may be stored.
    }
  }

  /** Lets what is under way come to an end. */
  async stop() {
    this.#running = false;
    await Promise.all(this.lanes);
    this.socket.disconnect();
  }
}

/** Listens live, catches up after each connection, and marks as read what it has heard. */
export class Reader {
  heard = [];
  readSeqs = [];
  #waiting = [];
  #joining = false;

  constructor(person, chat, from, options = {}) {
    Object.assign(this, { person, chat, from, rev: from, name: person.name });
    this.socket = connect(person, { transports: ["websocket"], ...options });
    this.socket.on("new-message", (message) => this.#hear(message));
    this.socket.on("connect", () => this.#join());
  }

  #hear(message) {
    if (this.#joining) this.#waiting.push(message);
    else if (message.rev === this.rev + 1) this.#take(message.rev, message);
    // A gap: something was said while we were not in the room.
    else if (message.rev > this.rev) this.#join();
  }

  #take(rev, { id, seq }) {
    this.rev = rev;
    this.heard.push({ rev, id, seq });
    if (this.heard.length % 16 === 0) this.#markRead(seq);
  }

  async #markRead(seq) {
    const answer = await this.#ask("mark-read", { chatId: this.chat, seq });
    if (answer?.success) this.readSeqs.push(answer.data.readSeq);
  }

  async #join() {
    if (this.#joining) return;
    this.#joining = true;
    let more = true;
    while (more) {
      const answer = await this.#ask("join-chat", { chatId: this.chat, rev: this.rev });
      // Without an answer the next connection tries again.
      if (!answer?.success) break;
      if (answer.data.reset) throw new Error(`${this.name} was told to start anew at ${this.rev}`);
      for (const { rev, payload } of answer.data.events) this.#take(rev, payload);
      more = answer.data.more;
    }
    this.#joining = false;
    for (const message of this.#waiting.splice(0)) if (message.rev > this.rev) this.#hear(message);
  }

  /** None when no answer comes. */
  async #ask(event, argument) {
    try {
      return await this.socket.timeout(2000).emitWithAck(event, argument);
    } catch {
      return undefined;
    }
  }

  /** Asks again when nothing comes any more before `rev` is reached. */
  nudge() {
    if (this.socket.connected) this.#join();
  }

  stop() {
    this.socket.disconnect();
  }
}
