// Sections 6 and 7 of the contract: an official client that does not read for a while, and one that comes back.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { MODES } from "../support/modes.js";
import { Parlance, call, inRoom } from "../support/parlance.js";
import { assertKeys } from "../support/shapes.js";
import { next, record, until } from "../support/wait.js";

const WEBSOCKET = MODES[1];
/** 16 KB each: the buffers of the system on the way take several megabytes before the server notices anything. */
const LONG = "😀".repeat(3900);
const AT_ONCE = 40;
/** A message is heard by the others within this: one who does not read slows nobody down. */
const MOST_MESSAGES = 2000;

let app;
before(async () => {
  app = await Parlance.start();
});
after(() => app.stop());

test("a socket that was too slow is told once from where on it missed something, and syncs to the same as all", async (t) => {
  const [ann, ben, cem] = await app.people("Ann", "Ben", "Cem");
  const chat = await ann.group("Slow", ben, cem);
  const sender = await ann.connect(t, WEBSOCKET);
  const [slow, quick] = await inRoom(t, WEBSOCKET, chat, ben, cem);
  const [told, heard, all] = [record(slow, "sync-required"), record(slow, "new-message"), record(quick, "new-message")];
  const { ws } = slow.io.engine.transport;
  const send = (number) => call(sender, "send-message", { chatId: chat.id, content: `${number} ${LONG}` });
  ws.pause();
  let [sent, late] = [0, 0];
  const behind = async () => Number(/^parlance_outbox_congested_sessions (\d+)$/m.exec((await app.request("GET", "/metrics")).body)?.[1] ?? 0);
  // Twice in a row: what is sent while it is behind is what it misses.
  while (sent < MOST_MESSAGES && late < 2) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => send(sent + i)));
    sent += AT_ONCE;
    await until("the quick one has heard everything", () => all.length === sent, 20_000);
    late = (await behind()) === 0 ? 0 : late + 1;
  }
  assert.equal(late, 2, `behind after ${sent} messages`);
  const required = next(slow, "sync-required", { bound: 20_000 });
  ws.resume();
  const { chatId, rev } = await required;
  assert.equal(chatId, chat.id);
  assertKeys("sync-required", told[0], ["chatId", "rev"]);
  const live = await call(sender, "send-message", { chatId: chat.id, content: "live again" });
  await until("it hears live again", () => heard.at(-1)?.rev === live.rev);
  const missed = [];
  for (let since = rev, more = true; more; ) {
    const answer = (await call(slow, "sync", { positions: { [chat.id]: since } })).chats[chat.id];
    missed.push(...answer.events.map((event) => event.rev));
    [since, more] = [missed.at(-1), answer.more];
  }
  const revs = heard.map((message) => message.rev);
  const before = revs.filter((heardRev) => heardRev <= rev);
  assert.deepEqual(before, Array.from({ length: rev }, (_, i) => i + 1), "without a gap up to what it was told");
  assert.deepEqual(missed, Array.from({ length: live.rev - rev }, (_, i) => rev + 1 + i), "and from there on by sync");
  assert.equal(told.length, 1);
});
