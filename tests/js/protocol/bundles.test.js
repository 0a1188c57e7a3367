// The files of the browser client, beside those of the official server: same bodies, same headers.
import assert from "node:assert/strict";
import { createServer, request as httpRequest } from "node:http";
import { after, before, test } from "node:test";
import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";
import { Server as OfficialServer } from "socket.io";
import { Parlance } from "../support/parlance.js";
import { step, stepsWithin, within } from "../support/wait.js";

// Each file is compressed in each way when it is asked for the first time, by a server that is not optimised.
stepsWithin(20_000);

const FILES = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"].flatMap((name) => [name, `${name}.map`]);
const ENCODINGS = [undefined, "br", "gzip", "deflate", "gzip, deflate, br", "deflate, gzip", "br;q=0.5, gzip;q=0.8", "gzip;q=0", "identity"];
/** What each connection has for itself: ours is sent with its length, theirs in chunks. */
const OF_THE_CONNECTION = ["connection", "content-length", "date", "keep-alive", "transfer-encoding"];
const READ = { br: brotliDecompressSync, gzip: gunzipSync, deflate: inflateSync };

let ours;
let theirs;
let official;
before(async () => {
  ours = await Parlance.start({ options: ["--cors-origins", "*"] });
  official = createServer((_, response) => response.writeHead(404).end());
  new OfficialServer(official, { cors: { origin: "*" } });
  await new Promise((listening) => official.listen(0, "127.0.0.1", listening));
  theirs = `http://127.0.0.1:${official.address().port}`;
});
after(async () => {
  official.close();
  await ours.stop();
});

/** A request as it is written here: `fetch` adds headers of its own and hides the encoding. */
function request(base, path, { method = "GET", headers = {} } = {}) {
  const answered = new Promise((resolve, reject) => {
    const sent = httpRequest(`${base}/socket.io/${path}`, { method, headers, agent: false }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    sent.on("error", reject);
    sent.end();
  });
  return within(step(), `${method} ${path}`, answered);
}

const plain = ({ headers, body }) => (READ[headers["content-encoding"]] ?? ((same) => same))(body);

/** Sends the same request to both, and compares what a client can see. */
async function same(path, options) {
  const [mine, other] = await Promise.all([request(ours.url, path, options), request(theirs, path, options)]);
  assert.equal(mine.status, other.status);
  for (const [name, value] of Object.entries(other.headers)) {
    if (!OF_THE_CONNECTION.includes(name)) assert.equal(mine.headers[name], value, `${path} ${name}`);
  }
  return [mine, other];
}

for (const file of FILES) {
  test(`${file} is the official one in every encoding`, async () => {
    for (const encoding of file === FILES[0] ? ENCODINGS : ENCODINGS.slice(0, 4)) {
      const [mine, other] = await same(file, { headers: encoding ? { "accept-encoding": encoding } : {} });
      assert.equal(mine.status, 200);
      assert.ok(plain(mine).equals(plain(other)), `${file} ${encoding}`);
    }
  });
}

test("trap 91: a known version is 304 without a body, weak tag or not, and another is sent again", async () => {
  const tag = (await request(ours.url, "socket.io.js")).headers.etag;
  assert.match(tag, /^"4\.\d+\.\d+"$/);
  for (const known of [tag, `W/${tag}`]) {
    const [mine] = await same("socket.io.js", { headers: { "if-none-match": known } });
    assert.deepEqual([mine.status, mine.body.length], [304, 0]);
  }
  for (const unknown of [tag.slice(1, -1), '"0.0.0"']) {
    const [mine] = await same("socket.io.js", { headers: { "if-none-match": unknown } });
    assert.equal(mine.status, 200);
  }
});

test("a HEAD has the headers alone, and a query changes nothing", async () => {
  const [head] = await same("socket.io.min.js", { method: "HEAD" });
  assert.deepEqual([head.status, head.body.length], [200, 0]);
  const [asked, other] = await same("socket.io.min.js?v=1");
  assert.ok(asked.body.equals(other.body));
});

test("trap 91: every other name falls through to the engine", async () => {
  for (const name of ["socket.io.esm.js", "socket.io.msgpack.js", "../socket.io.js", "x/socket.io.js"]) {
    const { status } = await request(ours.url, name);
    assert.ok(status === 400 || status === 404, `${name}: ${status}`);
  }
});
