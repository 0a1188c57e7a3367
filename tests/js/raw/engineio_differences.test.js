// The same bytes to the official server and to ours, side by side: status lines, headers and bodies are equal, but for
// the differences that the README of the crate lists. Each of those is written down here with both of its sides.
import assert from "node:assert/strict";
import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";
import { after, before, describe, test } from "node:test";
import { startOfficial, startOurs } from "../support/server.js";
import { exchange } from "../support/wire.js";

/** Headers of the HTTP servers themselves: how a body is framed, how long a connection is kept, what time it is. */
const OF_THE_CONNECTION = new Set(["date", "connection", "keep-alive", "content-length", "transfer-encoding"]);

const UPGRADE =
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

function request(head, { headers = "", body = "" } = {}) {
  const length = body || head.startsWith("P") ? `Content-Length: ${body.length}\r\n` : "";
  return `${head} HTTP/1.1\r\nHost: h\r\n${headers}${length}\r\n${body}`;
}

const get = (query, headers) => request(`GET /engine.io/?${query}`, { headers });
const OPEN = "EIO=4&transport=polling";

const DECODERS = { gzip: gunzipSync, deflate: inflateSync, br: brotliDecompressSync };

/** What two servers are compared by. */
function essence({ status, headers, body: bytes, rest }, sid) {
  const encoding = headers.find(([name]) => name === "content-encoding")?.[1];
  const body = DECODERS[encoding]?.(Buffer.from(bytes, "latin1")).toString("latin1") ?? bytes;
  const hide = (text) => (sid ? text.replaceAll(sid, "SID") : text);
  const kept = headers.filter(([name]) => !OF_THE_CONNECTION.has(name));
  // The order of lines of one name means something, that of different names does not.
  kept.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return { status, headers: kept.map(([name, value]) => `${name}: ${hide(value)}`), body: hide(body), rest: hide(rest.toString("latin1")) };
}

const sidOf = (text) => /"sid":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];

/** Two servers under one option. */
class Pair {
  static async start(name, env) {
    const pair = new Pair();
    [pair.official, pair.ours] = await Promise.all([startOfficial(name, env), startOurs(name, env)]);
    return pair;
  }

  stop() {
    return Promise.all([this.official.stop(), this.ours.stop()]);
  }

  /** Writes each of `steps` in turn (a text, or a function of the sid of the first reply); the last reply counts. */
  async replies(steps) {
    const one = async ({ port }) => {
      let sid;
      let reply;
      for (const step of [steps].flat()) {
        reply = await exchange(port, typeof step === "function" ? step(sid) : step);
        sid ??= sidOf(reply.body) ?? sidOf(reply.rest.toString("latin1"));
      }
      return essence(reply, sid);
    };
    const [official, ours] = await Promise.all([one(this.official), one(this.ours)]);
    return { official, ours };
  }

  async assertEqual(steps) {
    const { official, ours } = await this.replies(steps);
    assert.deepEqual(ours, official);
  }

  /** They differ in `differences` (`{field: [official, ours]}`) and in nothing else. */
  async assertDiffer(steps, differences) {
    const { official, ours } = await this.replies(steps);
    for (const [field, [theirs, mine]] of Object.entries(differences)) {
      assert.deepEqual([official[field], ours[field]], [theirs, mine], field);
      delete official[field];
      delete ours[field];
    }
    assert.deepEqual(ours, official);
  }
}

/** Declares a suite on a pair of servers. */
function beside(name, env, tests) {
  describe(`${name} ${env.OPTION ?? ""}`.trim(), () => {
    const at = {};
    before(async () => (at.pair = await Pair.start(name, env)));
    after(() => at.pair.stop());
    const same = (what, steps) => test(what, () => at.pair.assertEqual(steps));
    const differs = (what, steps, differences) => test(`${what} (a difference)`, () => at.pair.assertDiffer(steps, differences));
    tests(same, differs);
  });
}

const open = get(OPEN);
const poll = (sid) => get(`${OPEN}&sid=${encodeURIComponent(sid)}`);
const post = (body, headers) => (sid) => request(`POST /engine.io/?${OPEN}&sid=${encodeURIComponent(sid)}`, { body, headers });
const attach = (query, headers = "") => get(query, UPGRADE + headers);

const JSON_TYPE = "content-type: application/json";
const HTML = "content-type: text/html";
const ANY_ORIGIN = "access-control-allow-origin: *";
const OK = "HTTP/1.1 200 OK";
const BAD = "HTTP/1.1 400 Bad Request";
const BAD_REQUEST = '{"code":3,"message":"Bad request"}';

beside("engineio_suite", {}, (same, differs) => {
  for (const query of [
    "transport=polling",
    "EIO=abc&transport=polling",
    "EIO=3&transport=polling",
    "EIO=4",
    "",
    "EIO=4&transport=abc",
    "EIO=4&transport=__proto__",
    "EIO=4&transport=constructor",
    "EIO=4&transport=webtransport",
    "EIO=4&transport=POLLING",
    "EIO=4&transport=polling&sid=unknown",
    "EIO=4&transport=polling&sid=__proto__",
    "EIO=3&transport=polling&sid=unknown",
    "EIO=4&transport=websocket",
    "EIO=4&transport=websocket&sid=unknown",
  ]) {
    same(`GET ?${query}`, get(query));
  }
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    same(`${method} without a sid`, request(`${method} /engine.io/?${OPEN}`));
    same(`${method} of an unknown session`, request(`${method} /engine.io/?${OPEN}&sid=unknown`));
    same(`${method} without a sid, another version`, request(`${method} /engine.io/?EIO=3&transport=polling`));
  }
  same("the handshake", open);
  same("the handshake with an empty sid", get(`${OPEN}&sid=`));
  same("the handshake with user parameters", get(`${OPEN}&t=1&t=2&%26a=%26%3D`));
  same("the handshake from elsewhere", get(OPEN, "Origin: http://elsewhere.test\r\n"));
  same("a preflight", request(`OPTIONS /engine.io/?${OPEN}`, { headers: "Origin: http://a.test\r\n" }));
  const asking = "Origin: http://a.test\r\nAccess-Control-Request-Headers: x-a,x-b\r\n";
  same("a preflight that asks for headers", request("OPTIONS /engine.io/", { headers: asking }));
  same("a preflight of a session", [open, (sid) => request(`OPTIONS /engine.io/?${OPEN}&sid=${sid}`)]);
  same("a message", [open, post("4hello")]);
  same("its echo", [open, post("4hello"), poll]);
  same("several echoes", [open, post("4a\x1e4b\x1ebAQIDBA==\x1e4"), poll]);
  same("characters of several bytes", [open, post("4\xe2\x82\xac"), poll]);
  same("a chunked body", [
    open,
    (sid) =>
      `POST /engine.io/?${OPEN}&sid=${sid} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n4\xe2\x82\r\n1\r\n\xac\r\n0\r\n\r\n`,
    poll,
  ]);
  same("packets that only a server sends", [open, post("6\x1e3\x1e5\x1e4x"), poll]);
  same("a body of bytes", [open, post("4a", "Content-Type: application/octet-stream\r\n")]);
  same("the session after a body of bytes", [open, post("4a", "Content-Type: application/octet-stream\r\n"), poll]);
  same("a ping of the client", [open, post("2")]);
  same("the session after a ping of the client", [open, post("2"), poll]);
  same("a close packet", [open, post("1")]);
  same("the session after a close packet", [open, post("1"), poll]);
  same("another version of a session", [open, (sid) => get(`EIO=3&transport=polling&sid=${sid}`)]);
  same("another transport of a session", [open, (sid) => get(`EIO=4&transport=websocket&sid=${sid}`)]);
  same("an old Internet Explorer", get(OPEN, "User-Agent: Mozilla/4.0 (compatible;MSIE 8.0; Trident/4.0)\r\n"));
  same("a connection that closes", get(OPEN, "Connection: close\r\n"));
  differs("HTTP/1.0", `GET /engine.io/?${OPEN} HTTP/1.0\r\n\r\n`, { status: [OK, "HTTP/1.0 200 OK"] });

  same("a WebSocket and its first frame", attach("EIO=4&transport=websocket"));
  same("a WebSocket that offers compression", attach("EIO=4&transport=websocket", "Sec-WebSocket-Extensions: permessage-deflate\r\n"));
  for (const protocols of ["chat", "chat, other", "a ,b"]) {
    same(`a WebSocket that names ${protocols}`, attach("EIO=4&transport=websocket", `Sec-WebSocket-Protocol: ${protocols}\r\n`));
  }
  for (const protocols of ["a,,b", "a, a", "a b", ""]) {
    differs(`a WebSocket that names "${protocols}"`, attach("EIO=4&transport=websocket", `Sec-WebSocket-Protocol: ${protocols}\r\n`), {
      body: ["Invalid Sec-WebSocket-Protocol header", "Bad request"],
    });
  }
  same("a WebSocket from elsewhere", attach("EIO=4&transport=websocket", "Origin: http://elsewhere.test\r\n"));
  for (const query of ["EIO=4", "EIO=4&transport=abc", "EIO=4&transport=__proto__", "EIO=4&transport=websocket&sid=unknown", "EIO=4&transport=polling&sid=unknown"]) {
    same(`a WebSocket on ?${query}`, attach(query));
  }
  same("a WebSocket of another version of a session", [open, (sid) => attach(`EIO=3&transport=websocket&sid=${sid}`)]);

  // ---- the differences ----

  const moved = { status: ["HTTP/1.1 500 Internal Server Error", "HTTP/1.1 405 Method Not Allowed"] };
  for (const method of ["PUT", "PATCH", "DELETE"]) {
    differs(`${method} of a session`, [open, (sid) => request(`${method} /engine.io/?${OPEN}&sid=${sid}`)], {
      ...moved,
      headers: [[ANY_ORIGIN], [ANY_ORIGIN, "allow: GET, POST"]],
    });
  }
  const refused = {
    status: [OK, BAD],
    headers: [[ANY_ORIGIN, "cache-control: no-store", HTML], [ANY_ORIGIN, JSON_TYPE]],
    body: ["ok", BAD_REQUEST],
  };
  for (const [what, body] of [["of no packet", "abc"], ["without a packet", ""], ["with a separator at its end", "4a\x1e"], ["of bad base64", "b!"]]) {
    const steps = [open, post(body)];
    if (what === "of bad base64") differs(`a body ${what}`, steps, refused);
    else {
      differs(`a body ${what}`, steps, refused);
      same(`the session after a body ${what}`, [...steps, poll]);
    }
  }
  same("a body over the limit", [open, post(`4${"x".repeat(1_000_000)}`)]);
  differs("the session after a body over the limit", [open, post(`4${"x".repeat(1_000_000)}`), post("3")], {
    status: [OK, BAD],
    headers: [[ANY_ORIGIN, "cache-control: no-store", HTML], [ANY_ORIGIN, JSON_TYPE]],
    body: ["ok", '{"code":1,"message":"Session ID unknown"}'],
  });
  differs("a body in an encoding", [open, post("4a", "Content-Encoding: gzip\r\n")], {
    status: [OK, "HTTP/1.1 415 Unsupported Media Type"],
    headers: [[ANY_ORIGIN, "cache-control: no-store", HTML], ["accept-encoding: identity", ANY_ORIGIN]],
    body: ["ok", ""],
  });
  differs("a path that goes on", request(`GET /engine.io/more/?${OPEN}&transport=none`), {
    status: [BAD, "HTTP/1.1 404 Not Found"],
    headers: [[ANY_ORIGIN, JSON_TYPE], []],
    body: ['{"code":0,"message":"Transport unknown"}', ""],
  });
  for (const query of ["EIO=4&EIO=4&transport=none", "EIO=4&transport=none&transport=none", "EIO=4&transport=none&sid=a&sid=b"]) {
    differs(`a repeated parameter: ?${query}`, get(query), { body: ['{"code":0,"message":"Transport unknown"}', BAD_REQUEST] });
  }
  const afterwards =
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\nContent-Length: 28\r\n\r\nUnsupported protocol version";
  for (const query of ["transport=websocket", "EIO=3&transport=websocket"]) {
    differs(`a WebSocket on ?${query}`, attach(query), {
      status: ["HTTP/1.1 101 Switching Protocols", BAD],
      headers: [
        [ANY_ORIGIN, "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "upgrade: websocket"],
        [HTML],
      ],
      body: ["", "Unsupported protocol version"],
      rest: [afterwards, ""],
    });
  }
  const version = (number) => UPGRADE.replace("13", number);
  differs("a WebSocket of version 8", get("EIO=4&transport=websocket", version(8)), {
    status: ["HTTP/1.1 101 Switching Protocols", BAD],
    headers: [
      [ANY_ORIGIN, "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "upgrade: websocket"],
      [HTML, "sec-websocket-version: 13"],
    ],
    body: ["", "Bad request"],
    rest: ['\x81g0{"sid":"SID","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}', ""],
  });
  differs("a WebSocket of version 9", get("EIO=4&transport=websocket", version(9)), {
    headers: [[HTML, "sec-websocket-version: 13, 8"], [HTML, "sec-websocket-version: 13"]],
    body: ["Missing or invalid Sec-WebSocket-Version header", "Bad request"],
  });
  differs("a WebSocket for polling", attach(OPEN), {
    status: ["HTTP/1.1 101 Switching Protocols", BAD],
    headers: [[ANY_ORIGIN, "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "upgrade: websocket"], [HTML]],
    body: ["", "Bad request"],
    rest: ["\x88\x00", ""],
  });
  differs("an upgrade by another method", request("POST /engine.io/?EIO=4&transport=websocket", { headers: UPGRADE }), {
    headers: [[HTML], [ANY_ORIGIN, JSON_TYPE]],
    body: ["Bad handshake method", '{"code":2,"message":"Bad handshake method"}'],
  });
  differs("an upgrade to another protocol", get("EIO=4&transport=none", "Connection: Upgrade\r\nUpgrade: h2c\r\n"), {
    headers: [[HTML], [ANY_ORIGIN, JSON_TYPE]],
    body: ["Transport unknown", '{"code":0,"message":"Transport unknown"}'],
  });
  differs("no Host", `GET /engine.io/?${OPEN} HTTP/1.1\r\n\r\n`, {
    headers: [[], [JSON_TYPE]],
    body: ["", BAD_REQUEST],
  });
  const none = '{"code":0,"message":"Transport unknown"}';
  differs("two Hosts", get("EIO=4&transport=none", "Host: other\r\n"), {
    headers: [[ANY_ORIGIN, JSON_TYPE], [JSON_TYPE]],
    body: [none, BAD_REQUEST],
  });
  differs("70 headers", get("EIO=4&transport=none", "X: y\r\n".repeat(70)), {
    status: [BAD, "HTTP/1.1 431 Request Header Fields Too Large"],
    headers: [[ANY_ORIGIN, JSON_TYPE], []],
    body: [none, ""],
  });
  same("40 KiB of headers", get("EIO=4&transport=none", `X: ${"y".repeat(40_000)}\r\n`));
  differs("a target of 9,000 bytes", get(`EIO=4&transport=none&x=${"y".repeat(9000)}`), {
    status: [BAD, "HTTP/1.1 414 URI Too Long"],
    headers: [[ANY_ORIGIN, JSON_TYPE], []],
    body: [none, ""],
  });
  const both = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n";
  differs("a length beside chunks", `POST /engine.io/?${OPEN} HTTP/1.1\r\nHost: h\r\n${both}\r\n0\r\n\r\n`, {
    headers: [[], [ANY_ORIGIN, JSON_TYPE]],
    body: ["", '{"code":2,"message":"Bad handshake method"}'],
  });
  differs("a WebSocket without its key", get("EIO=4&transport=websocket", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"), {
    body: ["Missing or invalid Sec-WebSocket-Key header", "Bad request"],
  });
});

const HANDSHAKE = '0{"sid":"SID","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';

beside("engineio_options", { OPTION: "" }, (same, differs) => {
  same("the handshake", open);
  same("an OPTIONS without CORS", request(`OPTIONS /engine.io/?${OPEN}`));
  same("a WebSocket and its first frame", attach("EIO=4&transport=websocket"));
  const elsewhere = "Origin: http://elsewhere.test\r\n";
  same("a page from elsewhere that asks wrongly", get("EIO=4&transport=none", elsewhere));
  differs("a page from elsewhere", [get("EIO=4&transport=none"), get(OPEN, elsewhere).replace("Host: h", "Host: own.test")], {
    status: [OK, "HTTP/1.1 403 Forbidden"],
    headers: [["cache-control: no-store", "content-type: text/plain; charset=UTF-8"], [JSON_TYPE]],
    body: [HANDSHAKE, '{"code":4,"message":"Origin not allowed"}'],
  });
  same("the default path without its slash", request(`GET /engine.io?${OPEN}`));
});

for (const option of ["cookie", "cookie-attributes"]) {
  beside("engineio_options", { OPTION: option }, (same) => {
    same("the handshake", open);
    same("a later poll", [open, post("4a"), poll]);
    same("a message", [open, post("4a")]);
    same("a WebSocket", attach("EIO=4&transport=websocket"));
  });
}

for (const option of ["cors-fixed", "cors-list", "cors-reflected", "cors-delegate"]) {
  beside("engineio_options", { OPTION: option }, (same) => {
    const from = (origin) => `Origin: ${origin}\r\n`;
    for (const [whose, headers] of [["an allowed page", from("http://a.test")], ["no page", ""]]) {
      same(`the handshake of ${whose}`, get(OPEN, headers));
      same(`a refusal of ${whose}`, get("EIO=4&transport=none", headers));
      same(`a message of ${whose}`, [get(OPEN, headers), post("4a", headers)]);
      same(`a WebSocket of ${whose}`, attach("EIO=4&transport=websocket", headers));
      same(`a refused WebSocket of ${whose}`, attach("EIO=4&transport=none", headers));
      same(`a preflight of ${whose}`, request("OPTIONS /engine.io/", { headers }));
    }
    const other = from("http://b.test") + "Access-Control-Request-Headers: x-q\r\n";
    same("a preflight of another page", request("OPTIONS /engine.io/", { headers: other }));
    same("a refusal of another page", get("EIO=4&transport=none", other));
  });
}

beside("engineio_options", { OPTION: "refused" }, (same) => {
  same("the handshake", open);
  same("a WebSocket", attach("EIO=4&transport=websocket"));
  same("a request that has other faults", get("EIO=3&transport=polling"));
});

beside("engineio_options", { OPTION: "initial-packet" }, (same) => {
  same("the handshake", open);
  same("a WebSocket and its first frames", attach("EIO=4&transport=websocket"));
});

beside("engineio_options", { OPTION: "headers" }, (same) => {
  same("the handshake", open);
  same("a message", [open, post("4a")]);
  same("a poll", [open, post("4a"), poll]);
  same("a WebSocket", attach("EIO=4&transport=websocket"));
  same("the WebSocket of an upgrade", [open, (sid) => attach(`EIO=4&transport=websocket&sid=${sid}`)]);
  same("a refusal", get("EIO=4&transport=none"));
});

beside("engineio_options", { OPTION: "id" }, (same) => {
  same("the handshake", open);
});

beside("engineio_options", { OPTION: "no-id" }, (same, differs) => {
  same("the handshake", open);
  differs("a WebSocket", attach("EIO=4&transport=websocket"), {
    status: ["HTTP/1.1 101 Switching Protocols", BAD],
    headers: [["sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "upgrade: websocket"], [HTML]],
    body: ["", "Bad request"],
    rest: ["HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\nContent-Length: 11\r\n\r\nBad request", ""],
  });
});

beside("engineio_options", { OPTION: "no-slash" }, (same, differs) => {
  same("the handshake", request(`GET /custom?${OPEN}`));
  same("another path", request(`GET /engine.io/?${OPEN}`));
  differs("the path with a slash", request(`GET /custom/?${OPEN}&sid=unknown`), {
    status: [BAD, "HTTP/1.1 404 Not Found"],
    headers: [[JSON_TYPE], []],
    body: ['{"code":1,"message":"Session ID unknown"}', ""],
  });
});

beside("engineio_options", { OPTION: "no-upgrades" }, (same) => {
  same("the handshake", open);
  same("a WebSocket", attach("EIO=4&transport=websocket"));
});

beside("engineio_options", { OPTION: "polling-only" }, (same) => {
  same("the handshake", open);
  same("a request for the other transport", get("EIO=4&transport=websocket"));
});

beside("engineio_options", { OPTION: "compression" }, (same, differs) => {
  const accepting = (what) => (sid) => get(`${OPEN}&sid=${sid}`, `Accept-Encoding: ${what}\r\n`);
  const long = `4${"a".repeat(200)}`;
  const encoded = (what) => [open, post(long), accepting(what)];
  same("a short payload", [open, post("4a"), accepting("gzip")]);
  for (const accepted of ["gzip", "deflate", "gzip, deflate", "deflate, gzip", "gzip;q=0.5, deflate", "*", "br;q=0"]) {
    same(`a client that takes ${accepted}`, encoded(accepted));
  }
  const plain = ["cache-control: no-store", "content-type: text/plain; charset=UTF-8"];
  const by = (encoding) => [plain[0], `content-encoding: ${encoding}`, plain[1]];
  differs("a client that likes br best", encoded("br, gzip"), { headers: [by("gzip"), by("br")] });
  differs("a client that likes plain bytes best", encoded("identity, gzip"), { headers: [by("gzip"), plain] });
  same("a message that must not be compressed", [open, post(`4plain${long}`), accepting("gzip")]);
  differs("beside one that may", [open, post(`4plain${long}\x1e${long}`), accepting("gzip")], { headers: [by("gzip"), plain] });
});
