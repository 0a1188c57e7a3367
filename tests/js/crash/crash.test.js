// An acknowledged message is there, once and in order, however the server ends.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { faults } from "./checker.js";
import { crashLoop } from "./loop.js";

test("nothing that was acknowledged is lost, doubled or out of order after kills at random times", async () => {
  const result = await crashLoop({ kills: Number(process.env.CRASH_KILLS ?? 4) });
  assert.deepEqual(result.faults, []);
  assert.ok(result.acknowledged > 0);
});

describe("the checker sees", () => {
  const message = (seq, extra = {}) => ({ id: `id-${seq}`, seq, senderId: "ann", clientMsgId: `m${seq}`, content: `text ${seq}`, ...extra });
  const op = (seq, extra = {}) => ({ clientMsgId: `m${seq}`, content: `text ${seq}`, invoked: seq * 10, ended: seq * 10 + 5, outcome: "ok", id: `id-${seq}`, seq, ...extra });
  const reader = (seqs, extra = {}) => ({ name: "ben", from: 0, heard: seqs.map((seq, place) => ({ rev: place + 1, id: `id-${seq}`, seq })), readSeqs: [], finalReadSeq: 0, ...extra });
  const good = () => ({ ops: [op(1), op(2), op(3)], readers: [reader([1, 2, 3])], stored: [message(1), message(2), message(3)] });

  test("nothing wrong with a good history, nor with an unknown outcome either way", () => {
    const history = good();
    history.ops.push(op(4, { outcome: "unknown" }));
    history.ops[1].outcome = "unknown";
    assert.deepEqual(faults(history), []);
  });

  const broken = {
    "a lost message": (history) => history.ops.push(op(4)),
    "a refused message that is stored": (history) => (history.ops[0].outcome = "refused"),
    "a gap": (history) => (history.stored[2].seq = 4),
    "a message stored twice": (history) => history.stored.push(message(4, { clientMsgId: "m1" })),
    "an id stored twice": (history) => (history.stored[1].id = "id-1"),
    "another number than was acknowledged": (history) => (history.ops[0].seq = 2),
    "another content": (history) => (history.stored[0].content = "else"),
    "an order that contradicts the acknowledgements": (history) => Object.assign(history.ops[2], { invoked: 1, ended: 2 }),
    "a reader who missed one": (history) => (history.readers = [reader([1, 3])]),
    "a reader who heard another order": (history) => (history.readers = [reader([2, 1, 3])]),
    "a reader who heard one twice": (history) => (history.readers = [reader([1, 1, 2, 3])]),
    "a reader whose numbers have a gap": (history) => (history.readers[0].heard[2].rev = 4),
    "a reader who did not come to the end": (history) => (history.readers = [reader([1, 2])]),
    "a position that fell": (history) => Object.assign(history.readers[0], { readSeqs: [3, 2], finalReadSeq: 3 }),
    "a position that was forgotten": (history) => Object.assign(history.readers[0], { readSeqs: [3] }),
  };
  for (const [name, breakIt] of Object.entries(broken)) {
    test(name, () => {
      const history = good();
      breakIt(history);
      assert.notDeepEqual(faults(history), []);
    });
  }
});
