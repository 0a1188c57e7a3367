// The official parsers as a process: each line of standard input is a JSON array of questions, and is
// answered with one line, an array of answers. Values are compared in a form without any freedom:
// texts and bytes in hexadecimal, numbers by their bits, keys in order.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../js/package.json", import.meta.url));
const { Decoder, Encoder } = require("socket.io-parser");
const { decodePacket, decodePayload, encodePacket } = require("engine.io-parser");
const { Receiver } = require("ws");

const bits = new DataView(new ArrayBuffer(8));
const hex = (text) => Buffer.from(text, "utf8").toString("hex");

function plain(value) {
  if (value === null || value === undefined) return "n";
  if (typeof value === "boolean") return value ? "t" : "f";
  if (typeof value === "string") return `s${hex(value)}`;
  if (typeof value === "number") {
    bits.setFloat64(0, value);
    return `d${bits.getBigUint64(0).toString(16).padStart(16, "0")}`;
  }
  if (Buffer.isBuffer(value)) return `b${value.toString("hex")}`;
  if (Array.isArray(value)) return `[${value.map(plain).join(",")}]`;
  const entries = Object.entries(value).map(([key, item]) => [hex(key), plain(item)]);
  entries.sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${entries.map(([key, item]) => `${key}:${item}`).join(",")}}`;
}

function packet({ type, nsp, id, data }) {
  if (type === 3 && id === undefined) return "an answer to nobody";
  return `${type} ${hex(nsp)} ${id ?? "-"} ${data === undefined ? "-" : plain(data)}`;
}

/** Whether a placeholder is not as every official encoder writes it. */
function isOdd(value, count) {
  if (Array.isArray(value)) return value.some((item) => isOdd(item, count));
  if (value === null || typeof value !== "object") return false;
  const [first] = Object.keys(value);
  if ("_placeholder" in value || first === "_placeholder") {
    const { num } = value;
    const index = Number.isInteger(num) && num >= 0 && num < count && !Object.is(num, -0);
    if (first !== "_placeholder" || value._placeholder !== true || !index) return true;
  }
  return Object.values(value).some((item) => isOdd(item, count));
}

const message = (given) => (typeof given === "string" ? given : Buffer.from(given.hex, "hex"));
const given = (part) => (typeof part === "string" ? part : { hex: part.toString("hex") });

function socketio(messages) {
  const decoder = new Decoder();
  const answer = { packets: [], encoded: [], odd: false, error: null };
  decoder.on("decoded", (decoded) => {
    answer.packets.push(packet(decoded));
    try {
      answer.encoded.push(new Encoder().encode(structuredClone(decoded)).map((part) => given(revive(part))));
    } catch {
      answer.encoded.push(null);
    }
  });
  try {
    for (const part of messages.map(message)) {
      decoder.add(part);
      const waiting = decoder.reconstructor?.reconPack;
      if (waiting && !answer.odd) answer.odd = isOdd(waiting.data, waiting.attachments);
    }
  } catch (error) {
    answer.error = String(error.message);
  }
  return answer;
}

/** A clone of a Buffer is a Uint8Array. */
const revive = (part) => (typeof part === "string" ? part : Buffer.from(part));

function enginePacket({ type, data }) {
  if (type === "error") return "error";
  const kept = ["open", "ping", "pong", "message"].includes(type);
  return kept ? `${type} ${plain(data ?? "")}` : type;
}

function engineio(text) {
  const packets = decodePayload(text, "nodebuffer");
  const encoded = packets.map((decoded) => {
    let result = null;
    if (decoded.type === "message") encodePacket(decoded, false, (text) => (result = text));
    return result;
  });
  return { alone: enginePacket(decodePacket(text, "nodebuffer")), packets: packets.map(enginePacket), encoded };
}

/** What a client makes of a polling payload that Parlance wrote. */
function payload(text) {
  const parts = decodePayload(text, "nodebuffer").map(({ data }) => data);
  return socketio(parts.map(given));
}

/** The frames of a client, as `ws` reads them on a server. */
async function websocket([bytes, maxPayload, maxFragments]) {
  const receiver = new Receiver({ isServer: true, maxPayload, maxFragments });
  const answer = { messages: [], pongs: [], code: null };
  receiver.on("message", (data, isBinary) => answer.messages.push([!isBinary, data.toString("hex")]));
  receiver.on("ping", (data) => answer.pongs.push(data.toString("hex")));
  receiver.on("conclude", (code) => (answer.code = code === 1005 ? null : code));
  receiver.on("error", () => {});
  const error = await new Promise((done) => receiver.write(Buffer.from(bytes, "hex"), done));
  if (error) {
    const [status] = Object.getOwnPropertySymbols(error).filter(({ description }) => description === "status-code");
    answer.code = error[status];
  }
  return answer;
}

const answers = { socketio, engineio, payload, websocket };
for await (const line of createInterface({ input: process.stdin })) {
  const questions = JSON.parse(line);
  const told = await Promise.all(questions.map(([kind, question]) => answers[kind](question)));
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
