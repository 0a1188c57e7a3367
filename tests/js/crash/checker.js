// Judges a history: what clients did, what they were told, what they heard, and what is stored in the end.
//
//   op:     { writer, clientMsgId, content, invoked, ended, outcome: "ok" | "refused" | "unknown", id?, seq? }
//   reader: { name, from, heard: [{ rev, id, seq }], readSeqs: [n, …], finalReadSeq }
//   stored: the messages of the chat, oldest first

/** Every way in which the history breaks a promise, as sentences; none when all is well. */
export function faults({ ops, readers, stored }) {
  return [
    ...storedFaults(stored),
    ...opFaults(ops, stored),
    ...orderFaults(ops, stored),
    ...readers.flatMap((reader) => readerFaults(reader, stored)),
  ];
}

/** Numbers without a gap, nothing twice. */
function storedFaults(stored) {
  const found = [];
  const ids = new Set();
  const names = new Set();
  stored.forEach(({ id, seq, senderId, clientMsgId }, place) => {
    if (seq !== place + 1) found.push(`message ${place + 1} of the chat has seq ${seq}`);
    if (ids.has(id)) found.push(`the id ${id} is stored twice`);
    ids.add(id);
    const name = `${senderId} ${clientMsgId}`;
    if (clientMsgId && names.has(name)) found.push(`${clientMsgId} of ${senderId} is stored twice`);
    names.add(name);
  });
  return found;
}

/** Acknowledged: exactly once, as acknowledged. Refused: not at all. Unknown: at most once (nothing is stored twice). */
function opFaults(ops, stored) {
  const found = [];
  const byName = new Map(stored.map((message) => [message.clientMsgId, message]));
  for (const op of ops) {
    const message = byName.get(op.clientMsgId);
    if (op.outcome === "refused" && message) found.push(`${op.clientMsgId} was refused, and is stored`);
    if (op.outcome === "ok" && !message) found.push(`${op.clientMsgId} was acknowledged, and is lost`);
    if (op.outcome === "ok" && message && (message.id !== op.id || message.seq !== op.seq)) {
      found.push(`${op.clientMsgId} was acknowledged as ${op.id} (${op.seq}), and is stored as ${message.id} (${message.seq})`);
    }
    if (message && message.content !== op.content) found.push(`${op.clientMsgId} is stored with another content`);
  }
  return found;
}

/** What was acknowledged before another was sent comes before it. */
function orderFaults(ops, stored) {
  const seqs = new Map(stored.map(({ clientMsgId, seq }) => [clientMsgId, seq]));
  const ended = ops.filter(({ outcome }) => outcome === "ok").sort((a, b) => a.ended - b.ended);
  const invoked = ops.filter(({ clientMsgId }) => seqs.has(clientMsgId)).sort((a, b) => a.invoked - b.invoked);
  const found = [];
  let next = 0;
  let highest = 0;
  for (const op of invoked) {
    for (; next < ended.length && ended[next].ended < op.invoked; next += 1) highest = Math.max(highest, ended[next].seq);
    const seq = seqs.get(op.clientMsgId);
    if (seq <= highest) found.push(`${op.clientMsgId} has seq ${seq}, although ${highest} was acknowledged before it was sent`);
  }
  return found;
}

/** Heard without a gap, in the one order of the chat, to its end; and what was read stays read. */
function readerFaults({ name, from, heard, readSeqs, finalReadSeq }, stored) {
  const found = [];
  heard.forEach(({ rev }, place) => {
    if (rev !== from + place + 1) found.push(`${name} heard rev ${rev} as change ${place + 1} after ${from}`);
  });
  const messages = heard.filter(({ seq }) => seq !== undefined);
  const first = messages[0]?.seq ?? stored.length + 1;
  messages.forEach(({ id, seq }, place) => {
    if (stored[first - 1 + place]?.id !== id) found.push(`${name} heard ${id} (${seq}) where ${stored[first - 1 + place]?.id} is stored`);
  });
  if (first - 1 + messages.length !== stored.length) found.push(`${name} heard up to ${first - 1 + messages.length} of ${stored.length} messages`);
  let highest = 0;
  for (const readSeq of readSeqs) {
    if (readSeq < highest) found.push(`${name} had read up to ${highest}, and then up to ${readSeq}`);
    highest = Math.max(highest, readSeq);
  }
  if (finalReadSeq < highest) found.push(`${name} had read up to ${highest}, and in the end up to ${finalReadSeq}`);
  return found;
}
