// Connection state recovery as the official client sees it, on the example server `features`.
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { ask, connect, open } from "../support/client.js";
import { inEveryMode } from "../support/modes.js";
import { REFERENCE, startExample } from "../support/server.js";
import { next, record, stepsWithin, until } from "../support/wait.js";

stepsWithin(1500);
/** What the official server gets wrong is not asked of it. */
const mended = { skip: REFERENCE && "a fault of the official server" };
/** For how long a client may be away: longer than any test takes. */
const AWAY_MS = "60000";

/** Loses the connection of `socket` without a word, lets `meanwhile` happen, and comes back. */
export async function away(socket, meanwhile) {
  const lost = next(socket, "disconnect");
  socket.io.reconnection(false);
  socket.io.engine.close();
  await lost;
  await meanwhile();
  const back = next(socket, "connect");
  socket.connect();
  await back;
}

/** The first arguments of every `said`, without the offsets behind them. */
export function hear(socket) {
  const heard = [];
  socket.on("said", (what) => heard.push(what));
  return heard;
}

/** Registers the scenarios, once for each mode. `variant` names the client and its parser, see `support/modes.js`. */
export function recoveryScenarios(variant) {
  let server;
  before(async () => {
    server = await startExample("features", { ...variant.env, RECOVERY: AWAY_MS });
  });
  after(() => server.stop());

  inEveryMode(
    `recovery, ${variant.name}`,
    (mode) => {
      /** Somebody in a room, and another who says something into it. */
      async function pair(t) {
        const [socket, other] = await Promise.all([connect(t, server.url, mode), connect(t, server.url, mode)]);
        const room = randomUUID();
        await ask(socket, "join", [room]);
        const say = (what) => ask(other, "say", [room], "nobody", what);
        const who = () => ask(other, "who", room);
        return { socket, heard: hear(socket), room, say, who };
      }

      /** As `pair`, and the first event has come: the client has an offset. */
      async function begun(t) {
        const people = await pair(t);
        await people.say("first");
        await until("it has come", () => people.heard.length === 1);
        return people;
      }

      const comesBack = (socket, id, why) => assert.deepEqual([socket.recovered, socket.id], [true, id], why);

      test("who comes back has its id, rooms and data, and hears what it missed before it is connected", async (t) => {
        const { socket, heard, say, who } = await begun(t);
        const bytes = randomBytes(20);
        const { id } = socket;
        await ask(socket, "remember", { name: "Ada", bytes });
        socket.on("connect", () => heard.push("connect"));
        await away(socket, async () => {
          for (const what of [1, { bytes }, "a text", 3]) await say(what);
        });
        comesBack(socket, id);
        await say("after");
        await until("all have come", () => heard.length === 7);
        assert.deepEqual(heard, ["first", 1, { bytes }, "a text", 3, "connect", "after"]);
        assert.deepEqual([await who(), await ask(socket, "recall")], [[id], { name: "Ada", bytes }]);
      });

      test("what is replayed carries its own offset, so that it comes once however often the connection is lost", async (t) => {
        const { socket, heard, say } = await begun(t);
        const offsets = record(socket, "said");
        const { id } = socket;
        for (const round of [1, 2, 3]) {
          await away(socket, () => say(round));
          comesBack(socket, id, `round ${round}`);
        }
        await away(socket, () => {});
        comesBack(socket, id, "with nothing missed");
        assert.deepEqual(heard, ["first", 1, 2, 3]);
        assert.equal(new Set(offsets.map(([, offset]) => offset)).size, 3, "each has an offset of its own");
      });

      test("it works before the first event has come (fault 5538)", mended, async (t) => {
        const { socket, heard, say } = await pair(t);
        const { id } = socket;
        await away(socket, () => {});
        comesBack(socket, id, "nothing was missed");
        await away(socket, () => say("missed"));
        comesBack(socket, id, "the first event was missed");
        assert.deepEqual(heard, ["missed"]);
      });

      test("a text at the end of a volatile event, or its bare name, is not taken for an offset", mended, async (t) => {
        const { socket, heard, say } = await begun(t);
        const { id } = socket;
        const maybe = record(socket, "maybe");
        await until("one has come", async () => {
          socket.emit("volatile-now", "a text of the application's");
          await ask(socket, "echo");
          return maybe.length > 0;
        });
        await away(socket, () => say("missed"));
        comesBack(socket, id);
        assert.deepEqual(heard, ["first", "missed"]);
      });

      test("a question ends with no text that could be taken for one, and is not asked again", async (t) => {
        const { socket, heard, say } = await begun(t);
        const { id } = socket;
        const asked = record(socket, "question");
        const said = next(socket, "you-said");
        socket.emit("ask-me", 50);
        await said;
        await away(socket, () => say("missed"));
        comesBack(socket, id);
        assert.deepEqual([heard, asked.length], [["first", "missed"], 1]);
      });

      test("a pid that is still in use takes the socket over: the old connection ends, and nothing comes twice", mended, async (t) => {
        const { socket, heard, say, who } = await begun(t);
        const { id } = socket;
        socket.io.reconnection(false);
        const evicted = next(socket, "disconnect");
        const successor = open(t, server.url, mode, { autoConnect: false, reconnection: false });
        Object.assign(successor, { _pid: socket._pid, _lastOffset: socket._lastOffset });
        const repeated = hear(successor);
        const connected = next(successor, "connect");
        successor.connect();
        await connected;
        comesBack(successor, id);
        assert.match([await evicted].flat()[0], /^transport (close|error)$/);
        assert.deepEqual(await who(), [id]);
        await say("to one of them");
        await ask(successor, "echo");
        assert.deepEqual([heard, repeated], [["first"], ["to one of them"]]);
      });

      test("who has left on purpose, was sent away, or shows a wrong pid, begins anew", async (t) => {
        const { socket, heard, say, who } = await begun(t);
        const anew = async (how, leave) => {
          const { id } = socket;
          const gone = next(socket, "disconnect");
          leave();
          await gone;
          await until("the server knows", async () => !(await who()).includes(id));
          await say("missed");
          const back = next(socket, "connect");
          socket.connect();
          await back;
          assert.deepEqual([socket.recovered, socket.id === id], [false, false], how);
        };
        await anew("left", () => socket.disconnect());
        await anew("sent away", () => socket.emit("leave-me"));
        const { id } = socket;
        await away(socket, () => {
          socket._pid = "pid-of-nobody-at-all";
        });
        assert.notEqual(socket.id, id);
        await ask(socket, "echo");
        assert.deepEqual([heard, await ask(socket, "recall")], [["first"], null]);
      });
    },
    variant,
  );
}
