// Conformance section 2: the example server `socketio_suite`, packet by packet.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { Endpoint } from "../support/raw.js";
import { REFERENCE, startExample } from "../support/server.js";
import { test } from "../support/undisturbed.js";
import { engineRules } from "./engine_rules.js";

const CONNECT_TIMEOUT_MS = 1000;
const SID = /^[A-Za-z0-9_-]{20}$/;

const at = {
  async joinPolling(session) {
    await session.post("40");
    const packets = (await session.get()).split("\x1e");
    // The event may be a poll later than the answer to CONNECT.
    if (packets.length < 2) packets.push(await session.get());
    assertJoined(packets[0], "");
    assert.equal(packets[1], '42["auth",{}]');
  },
  async joinSocket(socket) {
    await join(socket);
  },
  say: (n) => `42["message","${n}"]`,
  heard: (n) => `42["message-back","${n}"]`,
};

let server;
before(async () => {
  server = await startExample("socketio_suite");
  at.endpoint = new Endpoint(server, "/socket.io/");
});
after(() => server.stop());

/** `40[/namespace,]{"sid":"…"}`, with no other key. Returns the id. */
function assertJoined(packet, namespace) {
  const head = `40${namespace && `${namespace},`}`;
  assert.ok(packet.startsWith(head), packet);
  const body = JSON.parse(packet.slice(head.length));
  assert.deepEqual(Object.keys(body), ["sid"]);
  assert.match(body.sid, SID);
  return body.sid;
}

async function join(socket, { request = "40", namespace = "", auth = "{}" } = {}) {
  socket.send(request);
  const sid = assertJoined(await socket.text(), namespace);
  assert.equal(await socket.text(), `42${namespace && `${namespace},`}["auth",${auth}]`);
  return sid;
}

/** An Engine.IO connection over WebSocket with nothing joined. */
async function fresh(t) {
  const socket = await at.endpoint.stream();
  t.after(() => socket.end());
  return socket;
}

async function joined(t) {
  const socket = await fresh(t);
  await join(socket);
  return socket;
}

/** Sends text, and answers with the next frame. */
async function ask(socket, packet) {
  socket.send(packet);
  return socket.text();
}

describe("socketio_suite", () => {
  engineRules(at);

  describe("connect", () => {
    test("the answer has the id alone, and the first event comes after it", async (t) => {
      const socket = await fresh(t);
      const id = await join(socket);
      assert.notEqual(id, socket.handshake.sid, "the id of the connection stays secret");
    });

    test("auth is handed on", async (t) => {
      await join(await fresh(t), { request: '40{"token":"123"}', auth: '{"token":"123"}' });
    });

    for (const request of ["40/custom,", "40/custom", "40/custom,{}"]) {
      test(`${request} joins the namespace`, async (t) => {
        await join(await fresh(t), { request, namespace: "/custom" });
      });
    }

    test("a namespace takes auth too", async (t) => {
      const request = '40/custom,{"token":"abc"}';
      await join(await fresh(t), { request, namespace: "/custom", auth: '{"token":"abc"}' });
    });

    for (const request of ["40/random", "40/random,", "40/random,{}"]) {
      test(`${request} is an unknown namespace, and the connection stays`, async (t) => {
        const socket = await fresh(t);
        assert.equal(await ask(socket, request), '44/random,{"message":"Invalid namespace"}');
        await join(socket);
      });
    }

    test("without CONNECT the connection ends when connectTimeout has passed, pongs or not", async (t) => {
      const socket = await fresh(t);
      await socket.closed(CONNECT_TIMEOUT_MS + 200);
      // The server's time begins after the client has asked, and the client's when it reads the answer.
      const elapsed = performance.now() - socket.askedAt;
      assert.ok(elapsed >= CONNECT_TIMEOUT_MS, `${elapsed} ms`);
    });

    test("a joined connection outlives connectTimeout", async (t) => {
      const socket = await joined(t);
      const end = socket.openedAt + CONNECT_TIMEOUT_MS + 100;
      while (performance.now() < end) {
        assert.equal(await socket.text(450), "2");
        socket.send("3");
      }
      assert.equal(await ask(socket, at.say(1)), at.heard(1));
    });
  });

  describe("closes for", () => {
    for (const packet of ["4abc", "42{}", '42["message","too early"]', "431[]", "41", "4", "4 ", "40[]", "40null", '40"x"', "44{}"]) {
      test(`${packet} before CONNECT`, async (t) => {
        const socket = await fresh(t);
        socket.send(packet);
        // The official parser reads the blank as the number 0: CONNECT.
        if (packet === "4 " && REFERENCE) return;
        await socket.closed();
      });
    }

    for (const packet of [
      "4abc", "4", "4 ", "42{}", "42[]", "42[true]", "42[null]", "42[{}]", '42abc["message-with-ack",1]', '42["message"', "42nul",
      '42["connect"]', '42["disconnect"]', '42["disconnecting"]', '42["connect_error"]', '42["newListener"]', '42["removeListener"]',
      '42/custom,["message","not joined"]', "40", "40{}", "44{}", "41{}", "48", '4512["message"]',
      '45-["message"]', '45a-["message"]', '451.5-["message"]',
    ]) {
      test(`${packet} after CONNECT`, async (t) => {
        const socket = await joined(t);
        socket.send(packet);
        await socket.closed();
      });
    }

    test("42 without a payload", async (t) => {
      const socket = await joined(t);
      socket.send("42");
      // The official server takes it for an event without a name.
      if (REFERENCE) return;
      await socket.closed();
    });

    test("too many attachments", async (t) => {
      const socket = await joined(t);
      const holes = Array.from({ length: 11 }, (_, num) => ({ _placeholder: true, num }));
      socket.send(`4511-${JSON.stringify(["message", ...holes])}`);
      for (let i = 0; i < 11; i += 1) socket.send(Buffer.from([i]));
      await socket.closed();
    });

    for (const num of [1, -1, 0.5, "0", null]) {
      test(`a placeholder that points to ${JSON.stringify(num)}`, async (t) => {
        const socket = await joined(t);
        socket.send(`451-${JSON.stringify(["message", { _placeholder: true, num }])}`);
        socket.send(Buffer.from([1]));
        // The official parser looks such a place up, and finds nothing.
        if (num === 0.5 && REFERENCE) return;
        await socket.closed();
      });
    }

    test("binary that no packet announced", async (t) => {
      const socket = await joined(t);
      socket.send(Buffer.from([1, 2, 3]));
      await socket.closed();
    });

    test("text while attachments are missing", async (t) => {
      const socket = await joined(t);
      socket.send('451-["message",{"_placeholder":true,"num":0}]');
      socket.send('42["message",1]');
      await socket.closed();
    });

    test("the same over polling", async () => {
      const session = await at.endpoint.poll();
      await at.joinPolling(session);
      await session.request({ method: "POST", body: "4abc" });
      assert.equal(await session.get(), "6\x1e1");
      await session.assertGone();
    });
  });

  describe("disconnect", () => {
    test("41 is not answered, and the connection stays open", async (t) => {
      const socket = await joined(t);
      socket.send("41");
      assert.equal(await socket.text(450), "2");
      socket.send("3");
      await join(socket);
    });

    test("41/custom leaves the default namespace alone", async (t) => {
      const socket = await joined(t);
      await join(socket, { request: "40/custom", namespace: "/custom" });
      socket.send("41/custom");
      assert.equal(await ask(socket, '42["message","still here"]'), '42["message-back","still here"]');
    });

    test("an event after 41 closes the connection", async (t) => {
      const socket = await joined(t);
      socket.send("41");
      socket.send(at.say(1));
      await socket.closed();
    });

    const race = REFERENCE && "the official server may close: it leaves after the next packet was read";
    test("41 followed at once by 40 is handled in order", { skip: race }, async (t) => {
      const socket = await joined(t);
      socket.send("41");
      await join(socket);
      assert.equal(await ask(socket, at.say(1)), at.heard(1));
    });
  });

  describe("events", () => {
    test("the arguments come back to the byte", async (t) => {
      const socket = await joined(t);
      const packet = '42["message",1,"2",{"3":[true]}]';
      assert.equal(await ask(socket, packet), packet.replace("message", "message-back"));
    });

    test("an event without arguments comes back without arguments", async (t) => {
      assert.equal(await ask(await joined(t), '42["message"]'), '42["message-back"]');
    });

    test("an unknown event is ignored, with and without an acknowledgement", async (t) => {
      const socket = await joined(t);
      socket.send('42["nobody",1]');
      socket.send('427["nobody",1]');
      socket.send("42[5,1]");
      assert.equal(await ask(socket, at.say(1)), at.heard(1));
    });

    test("blanks after the JSON do no harm", async (t) => {
      assert.equal(await ask(await joined(t), '42["message",1]  '), '42["message-back",1]');
    });

    for (const [packet, answer] of [
      ['42456["message-with-ack",1,"2",{"3":[false]}]', '43456[1,"2",{"3":[false]}]'],
      ['420["message-with-ack"]', "430[]"],
      ['4212["message-with-ack",null]', "4312[null]"],
    ]) {
      test(`${packet} is acknowledged`, async (t) => {
        assert.equal(await ask(await joined(t), packet), answer);
      });
    }

    test("an acknowledgement that nobody asked for is ignored", async (t) => {
      const socket = await joined(t);
      socket.send("43123[1]");
      assert.equal(await ask(socket, at.say(1)), at.heard(1));
    });

    test("on /custom the namespace stands in every answer", async (t) => {
      const socket = await fresh(t);
      await join(socket, { request: "40/custom", namespace: "/custom" });
      assert.equal(await ask(socket, '42/custom,["message",1]'), '42/custom,["message-back",1]');
      assert.equal(await ask(socket, '42/custom,7["message-with-ack",1]'), "43/custom,7[1]");
    });
  });

  describe("binary", () => {
    const holes = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
    const [one, two] = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])];

    for (const [packet, answer] of [
      [`452-["message",${holes}]`, `452-["message-back",${holes}]`],
      [`452-789["message-with-ack",${holes}]`, `462-789[${holes}]`],
    ]) {
      test(`${packet} comes back with its attachments after it`, async (t) => {
        const socket = await joined(t);
        for (const frame of [packet, one, two]) socket.send(frame);
        assert.equal(await socket.text(), answer);
        assert.deepEqual([await socket.frame(), await socket.frame()], [one, two]);
      });
    }

    test("an empty attachment is an attachment", async (t) => {
      const socket = await joined(t);
      socket.send('451-["message",{"_placeholder":true,"num":0}]');
      socket.send(Buffer.alloc(0));
      assert.equal(await socket.text(), '451-["message-back",{"_placeholder":true,"num":0}]');
      assert.deepEqual(await socket.frame(), Buffer.alloc(0));
    });

    test("a pong between a packet and its attachments does no harm", async (t) => {
      const socket = await joined(t);
      socket.send('451-["message",{"_placeholder":true,"num":0}]');
      socket.send("3");
      socket.send(one);
      assert.equal(await socket.text(), '451-["message-back",{"_placeholder":true,"num":0}]');
      assert.deepEqual(await socket.frame(), one);
    });

    test("the same over polling, in base64", async () => {
      const session = await at.endpoint.poll();
      await at.joinPolling(session);
      await session.post(`452-["message",${holes}]\x1ebAQID\x1ebBAUG`);
      assert.equal(await session.get(), `452-["message-back",${holes}]\x1ebAQID\x1ebBAUG`);
    });

    test("packet and attachments stay together when many are under way", async (t) => {
      const socket = await joined(t);
      for (let i = 0; i < 50; i += 1) {
        socket.send(`451-["message",${i},{"_placeholder":true,"num":0}]`);
        socket.send(Buffer.from([i]));
        socket.send(`42["message",${i}]`);
      }
      for (let i = 0; i < 50; i += 1) {
        assert.equal(await socket.beyondPings(500), `451-["message-back",${i},{"_placeholder":true,"num":0}]`);
        assert.deepEqual(await socket.frame(500), Buffer.from([i]), "a ping does not come in between");
        assert.equal(await socket.beyondPings(500), `42["message-back",${i}]`);
      }
    });
  });
});
