// A planned stop under load: nothing acknowledged is lost, and the official clients come back by themselves.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { faults } from "../crash/checker.js";
import { Reader } from "../crash/people.js";
import { MODES } from "../support/modes.js";
import { Parlance, call } from "../support/parlance.js";
import { record, until } from "../support/wait.js";

/** DRAIN_CLIENTS=1700 makes it 5,100 connections, in less than a minute. */
const CLIENTS_PER_MODE = Number(process.env.DRAIN_CLIENTS ?? 12);
const SENDERS_PER_MODE = 12;
/** Connections that are opened at a time. */
const WAVE = 50;
const BACK_MS = 5000 + CLIENTS_PER_MODE * 60;
/** Acknowledged sends before the stop begins: the load is running by then. */
const WARM = 100;

let app;
before(async () => {
  app = await Parlance.start();
});
after(() => app.stop());

/** Sends one message after another for as long as `load.going`, and keeps the history that the checker reads. */
async function send(socket, chatId, name, load) {
  for (let number = 0; load.going; number += 1) {
    const clientMsgId = `${name}-${number}`;
    const op = { clientMsgId, content: clientMsgId, invoked: performance.now(), outcome: "unknown" };
    load.ops.push(op);
    const answer = await new Promise((resolve) => {
      // Not `timeout()`: a send that was cut off is neither acknowledged nor lost.
      const cut = () => resolve(null);
      socket.once("disconnect", cut);
      socket.emit("send-message", { chatId, content: op.content, clientMsgId }, (reply) => {
        socket.off("disconnect", cut);
        resolve(reply);
      });
    });
    if (answer === null) return;
    assert.equal(answer.success, true, JSON.stringify(answer));
    Object.assign(op, { ended: performance.now(), outcome: "ok", id: answer.data.id, seq: answer.data.seq });
    load.acknowledged += 1;
  }
}

function everybodyIn(clients) {
  return until("everybody is connected", () => clients.every(({ socket }) => socket.connected), BACK_MS);
}

/** Every message of a chat, oldest first. */
async function history(person, chatId) {
  const all = [];
  for (let after = 0; ; after = all.at(-1).seq) {
    const page = await person.ok("GET", `/api/chats/${chatId}/messages?after=${after}&limit=100`);
    all.push(...page.messages);
    if (!page.hasMoreAfter) return all;
  }
}

test("under load a stop loses nothing that was acknowledged, and every client comes back", async (t) => {
  // Cem is in no chat: what is said between Ann and Ben would else go to each of thousands of sockets.
  const [ann, ben, cem] = await app.people("Ann", "Ben", "Cem");
  const chat = await ann.direct(ben);
  const load = { going: true, acknowledged: 0, ops: [] };
  const { rev } = await ann.ok("GET", `/api/chats/${chat.id}`);
  const reader = new Reader(ann, chat.id, rev);
  t.after(() => reader.stop());
  const clients = [];
  for (let index = 0; index < CLIENTS_PER_MODE; index += 1) {
    for (const mode of MODES) {
      const sends = index < SENDERS_PER_MODE;
      const person = sends ? [ann, ben][index % 2] : cem;
      const socket = person.open(t, mode, { reconnectionDelayMax: 200 + CLIENTS_PER_MODE * 6, timeout: BACK_MS });
      const name = `${mode.name.replaceAll(" ", "-")}-${index}`;
      clients.push({ socket, name, told: record(socket, "server-draining"), sends });
    }
    if (index % WAVE === 0) await everybodyIn(clients);
  }
  await everybodyIn(clients);
  for (const client of clients) client.reasons = record(client.socket, "disconnect");
  const sends = clients.filter(({ sends }) => sends).map(({ socket, name }) => send(socket, chat.id, name, load));
  await until("load", () => load.acknowledged >= WARM);
  const begun = performance.now();
  const end = await app.restart("SIGTERM");
  t.diagnostic(`${clients.length} connections, down and up again in ${Math.round(performance.now() - begun)} ms`);
  load.going = false;
  await Promise.all(sends);
  assert.deepEqual(end, { code: 0, signal: null });
  await everybodyIn(clients);
  t.diagnostic(`everybody back after ${Math.round(performance.now() - begun)} ms, ${load.acknowledged} acknowledged`);
  for (const { name, reasons, told } of clients) {
    assert.ok(told.length === 1 && told[0].reconnectAfterMs >= 500, `${name} was told ${JSON.stringify(told)}`);
    assert.ok(reasons.length >= 1, name);
    // "io server disconnect" would keep the client from coming back.
    for (const reason of reasons.flat()) assert.notEqual(reason, "io server disconnect", name);
  }
  const stored = await history(ann, chat.id);
  await until("the reader has heard everything", () => {
    reader.nudge();
    return reader.rev >= rev + stored.length;
  }, BACK_MS);
  reader.finalReadSeq = (await ann.ok("GET", `/api/chats/${chat.id}`)).readSeq;
  assert.deepEqual(faults({ ops: load.ops, readers: [reader], stored }).slice(0, 20), []);
  await call(clients[0].socket, "join-chat", chat.id);
});
