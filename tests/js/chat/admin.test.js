// The protocol of the official admin page, spoken by the official client.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connected, open } from "../support/client.js";
import { MODES } from "../support/modes.js";
import { Parlance, call } from "../support/parlance.js";
import { Server, binary } from "../support/server.js";
import { next, record, until } from "../support/wait.js";

const USER = "admin";
const PASSWORD = "a long enough password";
const EVENTS = ["all_sockets", "socket_connected", "socket_updated", "socket_disconnected", "room_joined", "room_left", "event_received", "event_sent", "server_stats"];

let app;
before(async () => {
  const { code, log } = await Server.run(binary("parlance"), ["hash-password"], { input: `${PASSWORD}\n` });
  assert.equal(code, 0, log);
  const options = ["--admin-ui", "development", "--admin-ui-password-hash", log.trim()];
  app = await Parlance.start({ options });
});
after(() => app?.stop());

/** An admin's socket, which records what it hears under the events' names. */
function admin(t, mode, auth) {
  const socket = open(t, `${app.url}/admin`, mode, { auth });
  const heard = { config: record(socket, "config"), session: record(socket, "session") };
  for (const name of EVENTS) heard[name] = record(socket, name);
  return { socket, heard };
}

test("a password that is short has no hash", async () => {
  const { code, log } = await Server.run(binary("parlance"), ["hash-password"], { input: "too short\n" });
  assert.equal(code, 1);
  assert.match(log, /at least 12 characters/);
});

for (const mode of MODES) {
  test(`${mode.name}: whoever does not know the password sees nothing`, async (t) => {
    for (const auth of [{}, { username: USER, password: "a wrong one" }, { sessionId: "guessed" }]) {
      const { socket, heard } = admin(t, mode, auth);
      const error = await next(socket, "connect_error");
      assert.equal(error.message, "invalid credentials");
      assert.ok(Object.values(heard).every((list) => list.length === 0));
    }
  });

  test(`${mode.name}: sockets, rooms and events are shown without what people write`, async (t) => {
    const { socket, heard } = admin(t, mode, { username: USER, password: PASSWORD });
    await connected(socket);
    await until("the list", () => heard.all_sockets.length > 0 && heard.session.length > 0);
    assert.deepEqual(heard.config.flat(), [{ supportedFeatures: ["AGGREGATED_EVENTS", "ALL_EVENTS"] }]);
    const [ann, ben] = await app.people("Ann", "Ben");
    const chat = await ann.direct(ben);
    const [anns, bens] = await Promise.all([ann.connect(t, mode), ben.connect(t, mode)]);
    const [annsId, bensId] = [anns.id, bens.id];
    for (const one of [anns, bens]) await call(one, "join-chat", chat.id);
    await call(anns, "send-message", { chatId: chat.id, content: "nobody else's business" });
    const of = (name) => heard[name].map((args) => [args].flat());
    await until("both have come", () => of("socket_connected").filter(([{ nsp }]) => nsp === "/").length >= 2);
    const shown = of("socket_connected").map(([one]) => one).find(({ id }) => id === annsId);
    assert.deepEqual(shown.data, { userId: ann.id, role: "student" });
    assert.ok(shown.rooms.includes(annsId));
    await until("the chat's room", () => of("room_joined").some(([nsp, room, id]) => nsp === "/" && room.includes(chat.id) && id === annsId));
    await until("the event", () => of("event_received").some(([, id, args]) => id === annsId && args[0] === "send-message"));
    await until("what was sent", () => of("event_sent").some(([, id, args]) => id === bensId && args[0] === "new-message"));
    anns.disconnect();
    await until("one has left", () => of("socket_disconnected").some(([, id]) => id === annsId));
    const all = JSON.stringify(heard);
    for (const secret of ["nobody else's business", ann.token, ben.token, ann.email, ben.email, "session:"]) assert.ok(!all.includes(secret));
    // The session is enough for the next time.
    const again = admin(t, mode, { sessionId: heard.session.flat()[0] });
    await connected(again.socket);
  });
}

test("totals are told by and by", async (t) => {
  const { socket, heard } = admin(t, MODES[0], { username: USER, password: PASSWORD });
  await connected(socket);
  await until("totals", () => heard.server_stats.length >= 2);
  const stats = heard.server_stats.flat().at(-1);
  assert.ok(stats.clientsCount >= 1 && stats.namespaces.some(({ name }) => name === "/admin"), JSON.stringify(stats));
});
