// Sections 1, 2 and 6 of the contract: tokens that run out under a socket, and those of a host application.
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, sign as signWith } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { MODES } from "../support/modes.js";
import { Parlance, Person, call, claims, refused, sign } from "../support/parlance.js";
import { assertFailure, assertKeys, assertPart, assertTime } from "../support/shapes.js";
import { test as timed } from "../support/undisturbed.js";
import { next, record, until } from "../support/wait.js";

const WEBSOCKET = MODES[1];
const nowSecs = () => Math.floor(Date.now() / 1000);

/** The same person with a token that ends in `seconds`. */
const ending = (person, seconds) => person.with(sign({ ...claims(person.token), exp: nowSecs() + seconds }));

describe("a token that runs out", () => {
  let app;
  before(async () => {
    app = await Parlance.start();
  });
  after(() => app.stop());

  timed("is told of 60 s before, and not earlier", async (t) => {
    const ann = await app.person("Ann");
    const quiet = await ending(ann, 600).connect(t, WEBSOCKET);
    const early = record(quiet, "token-expiring");
    const soon = ending(ann, 62);
    const told = await next(soon.open(t, WEBSOCKET), "token-expiring");
    assert.deepEqual(told, { expiresAt: new Date(claims(soon.token).exp * 1000).toISOString() });
    assert.ok(Date.parse(told.expiresAt) - Date.now() > 55_000, "about a minute is left");
    assert.deepEqual(early, []);
  });

  timed("ends the connection with a full failure object of the event session", async (t) => {
    const ann = await app.person("Ann");
    const short = ending(ann, 2);
    const socket = short.open(t, WEBSOCKET, { reconnection: false });
    const order = [];
    socket.onAny((name) => order.push(name));
    const error = next(socket, "error");
    const gone = next(socket, "disconnect");
    const { event, ...failure } = await error;
    assert.equal(event, "session");
    assertFailure(failure, "token-expired");
    await gone;
    assert.ok(Date.now() / 1000 >= claims(short.token).exp, "not before its time");
    assert.deepEqual(order, ["ready", "token-expiring", "error"]);
    assert.equal((await short.connectError(t, WEBSOCKET)).data.code, "token-expired");
  });

  timed("is replaced by another of the same person, and the connection lives on", async (t) => {
    const [ann, eve] = await app.people("Ann", "Eve");
    const socket = await ending(ann, 3).connect(t, WEBSOCKET, { reconnection: false });
    const gone = record(socket, "disconnect");
    const errors = record(socket, "error");
    const over = Date.now() + 3500;
    await refused(socket, "unauthenticated", "refresh-token", { token: eve.token });
    await refused(socket, "token-expired", "refresh-token", { token: ending(ann, -3600).token });
    for (const token of [undefined, null, 5]) await refused(socket, "validation-failed", "refresh-token", { token }, "token");
    const answer = await call(socket, "refresh-token", { token: ann.token });
    assertKeys("answer", answer, ["expiresAt"]);
    assertTime(answer.expiresAt);
    assert.equal(Date.parse(answer.expiresAt), claims(ann.token).exp * 1000);
    await until("the first token is over", () => Date.now() > over);
    await call(socket, "subscribe-presence", { userIds: [] });
    assert.deepEqual([gone, errors], [[], []]);
  });

  test("of a revoked session cuts the socket with an error first", async (t) => {
    const ann = await app.person("Ann");
    const socket = await ann.connect(t, WEBSOCKET, { reconnection: false });
    const error = next(socket, "error");
    const gone = next(socket, "disconnect");
    await ann.ok("POST", "/api/auth/logout");
    const { event, ...failure } = await error;
    assert.equal(event, "session");
    assertFailure(failure, "token-revoked");
    await gone;
  });
});

const ISSUER = "https://school.example";
const AUDIENCE = "chat";
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Who signs as a host application would, and what the server is told of its keys. */
const HOSTS = {
  HS256: () => {
    const secret = "a secret of the host application, long enough";
    return { options: () => ["--host-jwt-secret", secret], seal: (text) => createHmac("sha256", secret).update(text).digest() };
  },
  RS256: () => asymmetric("rsa", { modulusLength: 2048 }, (key, text) => signWith("sha256", text, key)),
  ES256: () => asymmetric("ec", { namedCurve: "P-256" }, (key, text) => signWith("sha256", text, { key, dsaEncoding: "ieee-p1363" })),
  EdDSA: () => asymmetric("ed25519", {}, (key, text) => signWith(null, text, key)),
};

function asymmetric(kind, options, seal) {
  const { publicKey, privateKey } = generateKeyPairSync(kind, options);
  return {
    options: async (folder, alg, as) => {
      const file = path.join(folder, `${alg}.${as}`);
      const jwk = { ...publicKey.export({ format: "jwk" }), kid: "k1", alg, use: "sig" };
      await writeFile(file, as === "pem" ? publicKey.export({ type: "spki", format: "pem" }) : JSON.stringify({ keys: [jwk] }));
      return [`--host-jwt-${as}`, file];
    },
    seal: (text) => seal(privateKey, Buffer.from(text)),
  };
}

/** A server that takes the tokens of one host; `token(claims, header)` makes them. */
async function hosted(t, alg, as = "pem") {
  const host = HOSTS[alg]();
  const folder = await mkdtemp(path.join(tmpdir(), "parlance-host-"));
  t.after(() => rm(folder, { recursive: true }));
  const key = await host.options(folder, alg, as);
  const app = await Parlance.start({ options: [...key, "--host-jwt-alg", alg, "--host-jwt-issuer", ISSUER, "--host-jwt-audience", AUDIENCE] });
  t.after(() => app.stop());
  const token = (more = {}, header = {}) => {
    const payload = { iss: ISSUER, aud: AUDIENCE, iat: nowSecs(), exp: nowSecs() + 600, sub: "u-1", ...more };
    const text = `${encode({ alg, typ: "JWT", kid: "k1", ...header })}.${encode(payload)}`;
    return `${text}.${host.seal(text).toString("base64url")}`;
  };
  const person = (more, header) => new Person(app, { name: more?.name, email: "" }).with(token(more, header));
  return { app, token, person };
}

describe("a host application's tokens", () => {
  for (const [alg, as] of [["HS256", "secret"], ["RS256", "pem"], ["ES256", "pem"], ["EdDSA", "pem"], ["RS256", "jwks"], ["ES256", "jwks"], ["EdDSA", "jwks"]]) {
    test(`are taken as ${alg} by ${as}, with issuer and audience pinned`, async (t) => {
      const { app, token, person } = await hosted(t, alg, as);
      const ann = person({ sub: "ann", name: "Ann", email: "Ann@school.example", role: "tutor" });
      assertPart(await ann.ok("GET", "/api/auth/profile"), { id: "ann", name: "Ann", email: "ann@school.example", role: "tutor" });
      const socket = ann.open(t, WEBSOCKET);
      assert.equal((await next(socket, "ready")).userId, "ann");
      for (const [what, wrong, header] of [
        ["another issuer", { iss: "https://else.example" }],
        ["another audience", { aud: "mail" }],
        ["no audience", { aud: undefined }],
        ["no subject", { sub: undefined }],
        ["no expiry", { exp: undefined }],
        ["a time to come", { nbf: nowSecs() + 600 }],
        ["no algorithm", {}, { alg: "none" }],
        ["another algorithm", {}, { alg: alg === "HS256" ? "HS384" : "HS256" }],
      ]) {
        const { status, body } = await person(wrong, header).request("GET", "/api/auth/profile");
        assert.equal(status, 401, what);
        assertFailure(body, "unauthenticated", undefined, what);
      }
      await person({ exp: nowSecs() - 600 }).refused(401, "token-expired", "GET", "/api/auth/profile");
      const [head, body] = token().split(".");
      await ann.with(`${head}.${body}.${token({ sub: "else" }).split(".")[2]}`).refused(401, "unauthenticated", "GET", "/api/auth/profile");
      const own = await app.person("Own");
      await own.ok("GET", "/api/auth/profile");
    });
  }

  test("name people by any id, in a request a number is its decimal text, and the claims are followed", async (t) => {
    const { app, person } = await hosted(t, "HS256");
    const ann = person({ sub: "ann", name: "Ann" });
    const user = await person({ sub: "4711", name: "Numbered" }).ok("GET", "/api/auth/profile");
    assertKeys("user", user, ["id", "name", "email", "role", "createdAt"]);
    assertPart(user, { id: "4711", role: "student" });
    const chat = await ann.ok("POST", "/api/chats", { participantIds: [4711] }, 201);
    assert.deepEqual(chat.participants.map(({ userId }) => userId).sort(), ["4711", "ann"]);
    const group = await ann.ok("POST", "/api/chats", { name: "G", isGroup: true, participantIds: [] }, 201);
    assertPart(await ann.ok("POST", `/api/chats/${group.id}/participants`, { userId: 4711 }), { userId: "4711" });
    const socket = await person({ sub: 4711 }).connect(t, WEBSOCKET);
    const presence = await call(socket, "subscribe-presence", { userIds: ["ann"] });
    assert.equal(presence.presence[0].userId, "ann");
    assertPart(await person({ sub: "4711", name: "Renamed" }).ok("GET", "/api/auth/profile"), { name: "Renamed" });
    assertPart(await ann.ok("GET", "/api/users/4711"), { id: "4711", name: "Renamed" });
    // An account of this server is nobody whom a host can speak for.
    const own = await app.person("Own");
    await person({ sub: own.id, role: "admin" }).refused(401, "unauthenticated", "GET", "/api/auth/profile");
    for (const participantIds of [[1.5], [null], [{}], [[]], [""], [true]]) {
      await ann.refused(400, "validation-failed", "POST", "/api/chats", { participantIds }, "participantIds");
    }
  });

  test("with another role end the connections that were made under the old one", async (t) => {
    const { person } = await hosted(t, "HS256");
    const [ann, ben] = [person({ sub: "ann", role: "admin" }), person({ sub: "ben" })];
    const [socket, other] = [await ann.connect(t, WEBSOCKET, { reconnection: false }), await ben.connect(t, WEBSOCKET)];
    const [error, gone, undisturbed] = [next(socket, "error"), next(socket, "disconnect", { bound: 5000 }), record(other, "disconnect")];
    await person({ sub: "ann", role: "admin", name: "Another name" }).ok("GET", "/api/auth/profile");
    await call(socket, "subscribe-presence", { userIds: [] });
    const demoted = person({ sub: "ann", role: "student" });
    assertPart(await demoted.ok("GET", "/api/auth/profile"), { role: "student" });
    const { event, ...failure } = await error;
    assert.equal(event, "session");
    assertFailure(failure, "token-revoked");
    await gone;
    await demoted.connect(t, WEBSOCKET);
    assert.deepEqual(undisturbed, []);
  });

  test("end with a logout like any other", async (t) => {
    const { person } = await hosted(t, "HS256");
    const ann = person({ sub: "ann" });
    const socket = await ann.connect(t, WEBSOCKET, { reconnection: false });
    const gone = next(socket, "disconnect");
    assert.deepEqual(await ann.ok("POST", "/api/auth/logout"), {});
    await gone;
    await ann.refused(401, "token-revoked", "GET", "/api/auth/profile");
  });
});
