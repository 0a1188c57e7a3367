// Connection state recovery: the scenarios, its times, and the packets themselves.
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { after, before, describe } from "node:test";
import { ask, connect } from "../support/client.js";
import { MODES, NEWEST, OLDEST } from "../support/modes.js";
import { Endpoint } from "../support/raw.js";
import { REFERENCE, startExample } from "../support/server.js";
import { test } from "../support/undisturbed.js";
import { deadline, next, record, until } from "../support/wait.js";
import { away, hear, recoveryScenarios } from "./recovery_scenarios.js";

recoveryScenarios(NEWEST);

describe("recovery in time", () => {
  /** For how long a client may be away here. */
  const AWAY_MS = 500;
  /** Longer than the server remembers a packet here: the time away, and that until a silent client counts as lost. */
  const FORGOTTEN_MS = AWAY_MS + 300 + 2 * 1000 + 3 * 100 + 200;
  let server;
  before(async () => {
    server = await startExample("features", { RECOVERY: `${AWAY_MS}` });
  });
  after(() => server.stop());

  const everywhere = (what) => Promise.all(MODES.map((mode) => what({ ...NEWEST, ...mode })));

  test("who was away for too long begins anew, and misses nothing from then on", { timeout: 20_000 }, (t) =>
    everywhere(async (mode) => {
      const socket = await connect(t, server.url, mode);
      const { id, _pid: pid } = socket;
      await away(socket, () => deadline(performance.now() + AWAY_MS + 300));
      assert.deepEqual([socket.recovered, socket.id === id, socket._pid === pid], [false, false, false], mode.name);
      // The official server does not know the old offset, which the client keeps.
      if (REFERENCE) return;
      await away(socket, () => {});
      assert.equal(socket.recovered, true, `${mode.name}: the new one can be recovered`);
    }),
  );

  const mended = REFERENCE && "a fault of the official server";
  test("who was idle for long is recovered, though its last offset is forgotten (fault 5282)", { timeout: 20_000, skip: mended }, (t) =>
    everywhere(async (mode) => {
      const [socket, other] = await Promise.all([connect(t, server.url, mode), connect(t, server.url, mode)]);
      const room = randomUUID();
      await ask(socket, "join", [room]);
      const heard = hear(socket);
      const say = (what) => ask(other, "say", [room], "nobody", what);
      await say("old");
      await until("it has come", () => heard.length === 1);
      const gone = record(socket, "disconnect");
      await deadline(performance.now() + FORGOTTEN_MS);
      // Something new makes the server look at what is old.
      await ask(other, "say", [randomUUID()], "nobody", "elsewhere");
      assert.deepEqual(gone, [], `${mode.name}: it was connected all the time`);
      const { id } = socket;
      await away(socket, () => say("missed"));
      assert.deepEqual([socket.recovered, socket.id, heard], [true, id, ["old", "missed"]], mode.name);
    }),
  );
});

describe("recovery on the wire", () => {
  let server;
  let endpoint;
  before(async () => {
    server = await startExample("features", { RECOVERY: "60000" });
    endpoint = new Endpoint(server, "/socket.io/");
  });
  after(() => server.stop());

  /** The offset at the end of an event. */
  const offset = (packet) => JSON.parse(packet.slice(packet.indexOf("["))).at(-1);

  /** A WebSocket that says `connect`; `granted` is the answer, `before` what came ahead of it. */
  async function stream(t, connect = "40") {
    const socket = await endpoint.stream();
    t.after(() => socket.end());
    socket.send(connect);
    socket.before = [];
    for (;;) {
      const packet = await socket.beyondPings();
      if (typeof packet === "string" && packet.startsWith("40{")) {
        socket.granted = JSON.parse(packet.slice(2));
        return socket;
      }
      socket.before.push(packet);
    }
  }

  /** Joins a room. */
  async function join(socket, room) {
    socket.send(`4277["join",["${room}"]]`);
    assert.equal(await socket.beyondPings(), "4377[2]");
  }

  test("CONNECT is answered with sid and pid, an event ends with an offset, an answer and a question do not", async (t) => {
    const socket = await stream(t);
    assert.deepEqual(Object.keys(socket.granted), ["sid", "pid"]);
    for (const id of Object.values(socket.granted)) assert.match(id, /^[A-Za-z0-9_-]{20}$/);
    socket.send('42["unknown",1]');
    assert.match(await socket.beyondPings(), /^42\["seen",1,"[A-Za-z0-9_.-]+"\]$/);
    socket.send('420["echo",null]');
    assert.equal(await socket.beyondPings(), "430[null]");
    socket.send('42["ask-me",5000]');
    assert.match(await socket.beyondPings(), /^42\d+\["question"\]$/);
  });

  test("what is replayed is what the others got, to the byte, with its attachments, and ahead of the answer", async (t) => {
    const [room, bytes] = [randomUUID(), randomBytes(5)];
    const [witness, lost] = [await stream(t), await stream(t)];
    for (const socket of [witness, lost]) await join(socket, room);
    const say = async (packet, ...attachments) => {
      for (const frame of [packet, ...attachments]) witness.send(frame);
      const heard = [await witness.beyondPings()];
      for (const _ of attachments) heard.push(await witness.frame());
      assert.equal(await witness.beyondPings(), "431[]");
      return heard;
    };
    const [seen] = await say(`421["say",["${room}"],"nobody","seen"]`);
    assert.equal(await lost.beyondPings(), seen);
    lost.end();
    const missed = [
      ...(await say(`421["say",["${room}"],"nobody",{"text":"é"}]`)),
      ...(await say(`451-1["say",["${room}"],"nobody",{"_placeholder":true,"num":0}]`, bytes)),
    ];
    assert.equal(missed.length, 3);
    const { pid, sid } = lost.granted;
    const again = await stream(t, `40${JSON.stringify({ pid, offset: offset(seen) })}`);
    assert.deepEqual([again.granted, again.before], [{ sid, pid }, missed]);
  });

  /** A polling session that has joined and had two events; `heard` are the answer to CONNECT and the events. */
  async function polled() {
    const session = await endpoint.poll();
    await session.post("40");
    session.heard = (await session.beyondPings()).split("\x1e");
    await session.post('42["unknown",1]\x1e42["unknown",2]');
    while (session.heard.length < 3) session.heard.push(...(await session.beyondPings()).split("\x1e"));
    session.pid = JSON.parse(session.heard[0].slice(2)).pid;
    return session;
  }

  test("over polling it is the same, and who has sent 41 has left for good", async () => {
    const lost = await polled();
    await lost.post("1");
    const again = await endpoint.poll();
    await again.post(`40${JSON.stringify({ pid: lost.pid, offset: offset(lost.heard[1]) })}`);
    const packets = [];
    while (packets.length < 2) packets.push(...(await again.beyondPings()).split("\x1e"));
    assert.deepEqual(packets, [lost.heard[2], lost.heard[0]]);
    const left = await polled();
    await left.post("41");
    const anew = await endpoint.poll();
    await anew.post(`40${JSON.stringify({ pid: left.pid, offset: offset(left.heard[1]) })}`);
    const [answer, ...rest] = (await anew.beyondPings()).split("\x1e");
    assert.deepEqual(rest, []);
    assert.notEqual(JSON.parse(answer.slice(2)).pid, left.pid);
  });

  test("of two who ask for one pid at once, one has the socket in the end", { skip: REFERENCE && "the official server gives it to both" }, async (t) => {
    const room = randomUUID();
    const [first, witness] = [await stream(t), await stream(t)];
    await join(first, room);
    first.end();
    const connect = `40${JSON.stringify({ pid: first.granted.pid })}`;
    const both = await Promise.all([stream(t, connect), stream(t, connect)]);
    const holders = both.filter(({ granted }) => granted.sid === first.granted.sid);
    assert.ok(holders.length > 0);
    const isOpen = async (socket) => {
      socket.send('425["echo",1]');
      return (await socket.beyondPings()) === "435[1]";
    };
    await until("one of them is left", async () => {
      const open = await Promise.all(holders.map((socket) => socket.closing === undefined && isOpen(socket)));
      return open.filter(Boolean).length === 1;
    });
    witness.send(`428["who","${room}"]`);
    assert.equal(await witness.beyondPings(), `438[["${first.granted.sid}"]]`);
  });

  test("a pid or an offset that is none, or another's, begins anew", async (t) => {
    const lost = await stream(t);
    lost.send('42["unknown",1]');
    const known = offset(await lost.beyondPings());
    lost.end();
    const { pid, sid } = lost.granted;
    for (const auth of [{ pid: sid, offset: known }, { pid: "", offset: known }, { pid: 7, offset: known }, { pid: [pid] }, { offset: known }]) {
      const { granted } = await stream(t, `40${JSON.stringify(auth)}`);
      assert.ok(granted.sid !== sid && granted.pid !== pid, JSON.stringify(auth));
    }
  });

  test("the offset travels beside the application's own keys, and is no part of them", async (t) => {
    const lost = await stream(t, '40{"token":"t"}');
    lost.end();
    const { pid, sid } = lost.granted;
    const again = await stream(t, `40${JSON.stringify({ pid, token: "t" })}`);
    if (!REFERENCE) assert.equal(again.granted.sid, sid);
    again.send('429["handshake"]');
    assert.equal(JSON.parse((await again.beyondPings()).slice(3))[0].auth.token, "t");
  });

  test("a client that knows nothing of it works, and sees one more argument", async (t) => {
    const socket = await connect(t, server.url, { ...OLDEST, transports: ["websocket"] });
    const seen = next(socket, "seen");
    socket.emit("unknown", 1);
    const [what, mark] = await seen;
    assert.deepEqual([what, typeof mark], [1, "string"]);
  });
});
