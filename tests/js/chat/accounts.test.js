// Section 2 of the contract: who people are, and how they prove it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { MODES } from "../support/modes.js";
import { Parlance, Person, badTokens, uniqueEmail } from "../support/parlance.js";
import { assertFailure, assertProfile, assertSession, assertUser } from "../support/shapes.js";
import { Server, binary } from "../support/server.js";
import { next, until } from "../support/wait.js";

const WEBSOCKET = MODES[1];

let app;
before(async () => {
  app = await Parlance.start();
});
after(() => app.stop());

/** Someone without a token. */
const anyone = () => new Person(app, { name: "anyone", email: "" }).with(null);

describe("register", () => {
  test("makes a student who is logged in", async () => {
    const email = uniqueEmail("ann");
    const body = { name: "  Ann Noether ", email, password: "a long password" };
    const { status, body: reply } = await app.request("POST", "/api/auth/register", body);
    assert.equal(status, 201);
    assert.deepEqual(Object.keys(reply).sort(), ["data", "success"]);
    assertSession(reply.data);
    assert.deepEqual(
      { name: reply.data.user.name, email: reply.data.user.email, role: reply.data.user.role },
      { name: "Ann Noether", email, role: "student" },
    );
  });

  test("cannot be used to become more than a student", async () => {
    const body = { name: "Eve", email: uniqueEmail("eve"), password: "a long password", role: "admin" };
    const { body: reply } = await app.request("POST", "/api/auth/register", body);
    if (reply.success) assert.equal(reply.data.user.role, "student");
    else assertFailure(reply, "validation-failed", "role");
  });

  test("refuses an e-mail that is taken, in another case too", async () => {
    const ann = await app.person("Ann");
    for (const email of [ann.email, ann.email.toUpperCase()]) {
      await anyone().refused(409, "conflict", "POST", "/api/auth/register", { name: "Other", email, password: "a long password" });
    }
  });

  for (const [what, change, field] of [
    ["no name", { name: undefined }, "name"],
    ["a blank name", { name: "  " }, "name"],
    ["a name of 101 characters", { name: "x".repeat(101) }, "name"],
    ["a name that is a number", { name: 5 }, "name"],
    ["a name with a control character", { name: "a\u0007b" }, "name"],
    ["no e-mail", { email: undefined }, "email"],
    ["an e-mail without @", { email: "nobody" }, "email"],
    ["an e-mail that is a list", { email: ["a@b.test"] }, "email"],
    ["no password", { password: undefined }, "password"],
    ["a short password", { password: "short" }, "password"],
    ["a password that is null", { password: null }, "password"],
  ]) {
    test(`refuses ${what}`, async () => {
      const body = { name: "Ann", email: uniqueEmail("bad"), password: "a long password", ...change };
      await anyone().refused(400, "validation-failed", "POST", "/api/auth/register", body, field);
    });
  }

  test("takes a name of 100 characters beyond the basic plane", async () => {
    const name = "😀".repeat(100);
    const ann = await app.person(name);
    assert.equal(ann.user.name, name);
  });
});

describe("login", () => {
  test("gives the same person a new session", async () => {
    const ann = await app.person("Ann");
    const { id, token } = ann;
    await ann.login();
    assert.equal(ann.id, id);
    assert.notEqual(ann.token, token);
  });

  test("does not tell an unknown e-mail from a wrong password", async () => {
    const ann = await app.person("Ann");
    const wrong = { email: ann.email, password: "not the password" };
    const unknown = { email: uniqueEmail("nobody"), password: "not the password" };
    const first = await anyone().refused(401, "invalid-credentials", "POST", "/api/auth/login", wrong);
    const second = await anyone().refused(401, "invalid-credentials", "POST", "/api/auth/login", unknown);
    assert.deepEqual(first, second);
  });

  for (const [what, body, field] of [
    ["no e-mail", { password: "x" }, "email"],
    ["no password", { email: "a@b.test" }, "password"],
    ["an e-mail that is an object", { email: { $ne: "" }, password: "x" }, "email"],
  ]) {
    test(`refuses ${what}`, async () => {
      await anyone().refused(400, "validation-failed", "POST", "/api/auth/login", body, field);
    });
  }
});

describe("refresh", () => {
  const refresh = (refreshToken) => app.request("POST", "/api/auth/refresh", { refreshToken });

  test("gives a new pair that works", async () => {
    const ann = await app.person("Ann");
    const { status, body } = await refresh(ann.refreshToken);
    assert.equal(status, 200);
    const spent = ann.refreshToken;
    ann.adopt(body.data);
    assert.notEqual(ann.refreshToken, spent);
    assertUser(await ann.ok("GET", "/api/auth/profile"));
  });

  test("a refresh token that is used twice revokes its whole family", async () => {
    const ann = await app.person("Ann");
    const spent = ann.refreshToken;
    ann.adopt((await refresh(spent)).body.data);
    const { status, body } = await refresh(spent);
    assert.equal(status, 401);
    assertFailure(body, "token-revoked");
    assert.equal((await refresh(ann.refreshToken)).status, 401, "the newest of the family is revoked too");
    await ann.refused(401, "token-revoked", "GET", "/api/auth/profile");
    await ann.login();
    assertUser(await ann.ok("GET", "/api/auth/profile"));
  });

  test("of two uses at once at most one wins", async () => {
    const ann = await app.person("Ann");
    const replies = await Promise.all(Array.from({ length: 8 }, () => refresh(ann.refreshToken)));
    assert.ok(replies.filter(({ status }) => status === 200).length <= 1);
    assert.ok(replies.every(({ status }) => [200, 401].includes(status)));
  });

  for (const refreshToken of ["", "unknown", "x".repeat(5000)]) {
    test(`refuses ${refreshToken.slice(0, 10) || "an empty"} token`, async () => {
      const { status, body } = await refresh(refreshToken);
      assert.ok([400, 401].includes(status), `${status}`);
      assert.equal(body.success, false);
    });
  }

  test("refuses an access token", async () => {
    const ann = await app.person("Ann");
    assert.equal((await refresh(ann.token)).status, 401);
  });

  test("refuses a body without the token", async () => {
    await anyone().refused(400, "validation-failed", "POST", "/api/auth/refresh", {}, "refreshToken");
  });
});

describe("logout", () => {
  test("revokes this session alone", async () => {
    const phone = await app.person("Ann");
    const laptop = await new Person(app, phone).login();
    assert.deepEqual(await phone.ok("POST", "/api/auth/logout"), {});
    await phone.refused(401, "token-revoked", "GET", "/api/auth/profile");
    assertUser(await laptop.ok("GET", "/api/auth/profile"));
    const { status } = await app.request("POST", "/api/auth/refresh", { refreshToken: phone.refreshToken });
    assert.equal(status, 401);
  });

  test("closes the sockets of this session within 5 s, and a new one is refused", async (t) => {
    const ann = await app.person("Ann");
    const socket = await ann.connect(t, WEBSOCKET, { reconnection: false });
    const other = await (await new Person(app, ann).login()).connect(t, WEBSOCKET, { reconnection: false });
    const gone = next(socket, "disconnect", { bound: 5000 });
    await ann.ok("POST", "/api/auth/logout");
    await gone;
    assert.equal(other.connected, true);
    const error = await ann.connectError(t, WEBSOCKET);
    assert.deepEqual(error.data, { code: "token-revoked" });
  });
});

describe("password", () => {
  const change = (currentPassword, newPassword) => ["PUT", "/api/auth/password", { currentPassword, newPassword }];

  test("is changed, and every other session is revoked", async (t) => {
    const phone = await app.person("Ann");
    const laptop = await new Person(app, phone).login();
    const socket = await laptop.connect(t, WEBSOCKET, { reconnection: false });
    const gone = next(socket, "disconnect", { bound: 5000 });
    assert.deepEqual(await phone.ok(...change(phone.password, "another long password")), {});
    await gone;
    assertUser(await phone.ok("GET", "/api/auth/profile"));
    await laptop.refused(401, "token-revoked", "GET", "/api/auth/profile");
    const old = { email: phone.email, password: phone.password };
    await anyone().refused(401, "invalid-credentials", "POST", "/api/auth/login", old);
    phone.password = "another long password";
    await phone.login();
  });

  test("is not changed without the current one", async () => {
    const ann = await app.person("Ann");
    await ann.refused(401, "invalid-credentials", ...change("not the password", "another long password"));
    await ann.refused(400, "validation-failed", ...change(undefined, "another long password"), "currentPassword");
    await ann.refused(400, "validation-failed", ...change(ann.password, "short"), "newPassword");
    await ann.login();
  });
});

describe("people", () => {
  test("one's own profile has the e-mail", async () => {
    const ann = await app.person("Ann");
    const user = await ann.ok("GET", "/api/auth/profile");
    assertUser(user);
    assert.deepEqual(user, ann.user);
  });

  test("others are found by a part of their name, without their e-mail", async () => {
    const [ann, ben] = await app.people("Ann", "Benedikta Searchable");
    const { users, ...rest } = await ann.ok("GET", "/api/users?search=searchab");
    assert.deepEqual(rest, {});
    users.forEach(assertProfile);
    assert.ok(users.some(({ id }) => id === ben.id));
    assert.ok(!JSON.stringify(users).includes("@"));
  });

  test("a search has no wildcards", async () => {
    const [ann] = await app.people("Ann", "Percentless");
    assert.deepEqual(await ann.ok("GET", "/api/users?search=%25%25"), { users: [] });
    assert.deepEqual(await ann.ok("GET", "/api/users?search=__"), { users: [] });
  });

  for (const query of ["", "?search=", "?search=a", "?search=%20a%20"]) {
    test(`a search needs 2 characters: "${query}"`, async () => {
      const ann = await app.person("Ann");
      await ann.refused(400, "validation-failed", "GET", `/api/users${query}`, undefined, "search");
    });
  }

  test("one other is found by id", async () => {
    const [ann, ben] = await app.people("Ann", "Ben");
    const profile = await ann.ok("GET", `/api/users/${ben.id}`);
    assertProfile(profile);
    assert.deepEqual(profile, { id: ben.id, name: "Ben", role: "student" });
    await ann.refused(404, "not-found", "GET", "/api/users/0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000");
    await ann.refused(404, "not-found", "GET", "/api/users/nobody");
  });
});

describe("the socket", () => {
  for (const mode of MODES) {
    test(`is refused with the reason and its code, ${mode.name}`, async (t) => {
      const ann = await app.person("Ann");
      for (const [what, { token, code }] of Object.entries(badTokens(ann.token))) {
        const auth = token === null ? {} : { token };
        const error = await ann.connectError(t, mode, { auth });
        assert.match(error.message, /^Authentication error: ./, what);
        assert.deepEqual(error.data, { code }, what);
      }
    });

    test(`is told once that it is ready, ${mode.name}`, async (t) => {
      const ann = await app.person("Ann");
      const socket = ann.open(t, mode);
      const ready = await next(socket, "ready");
      assert.deepEqual(Object.keys(ready).sort(), ["limits", "serverTime", "userId"]);
      assert.equal(ready.userId, ann.id);
    });

    test(`may bring its token in the Authorization header, ${mode.name}`, async (t) => {
      const ann = await app.person("Ann");
      await ann.connect(t, mode, { auth: {}, extraHeaders: { authorization: `Bearer ${ann.token}` } });
    });

    test(`may not bring its token in the query, ${mode.name}`, async (t) => {
      const ann = await app.person("Ann");
      const error = await ann.connectError(t, mode, { auth: {}, query: { token: ann.token } });
      assert.equal(error.data.code, "unauthenticated");
    });
  }

  test("is refused when its token is no string", async (t) => {
    const ann = await app.person("Ann");
    for (const token of [5, true, {}, [], null]) {
      const error = await ann.connectError(t, WEBSOCKET, { auth: { token } });
      assert.equal(error.data.code, "unauthenticated", JSON.stringify(token));
    }
  });
});

describe("the command line", () => {
  test("makes accounts of every role", async () => {
    for (const role of ["student", "tutor", "admin"]) {
      const person = await app.createUser("Terry", role);
      assert.equal(person.user.role, role);
    }
  });

  test("reads the password from standard input", async () => {
    const email = uniqueEmail("stdin");
    const args = ["user", "create", "--data-dir", app.dataDir, ...app.database, "--email", email, "--name", "Stdin", "--role", "tutor"];
    const ended = await Server.run(binary("parlance"), args, { input: "a password from a pipe\n" });
    assert.equal(ended.code, 0, ended.log);
    await new Person(app, { name: "Stdin", email, password: "a password from a pipe" }).login();
  });

  for (const [what, args, word] of [
    ["an unknown option", ["--no-such-option"], "--no-such-option"],
    ["a short secret", ["--jwt-secret", "short"], "jwt-secret"],
    ["a listen address that is none", ["--listen", "nowhere"], "listen"],
    ["an unknown durability", ["--durability", "sometimes"], "durability"],
    ["an unknown role", ["user", "create", "--email", "a@b.test", "--name", "A", "--role", "king"], "role"],
  ]) {
    test(`${what} is named, with exit status 2`, async () => {
      const ended = await Server.run(binary("parlance"), args, { env: { PARLANCE_DATA_DIR: app.dataDir } });
      assert.equal(ended.code, 2, ended.log);
      assert.match(ended.log, new RegExp(word));
    });
  }
});

describe("rates", () => {
  test("repeated wrong passwords are slowed down, for this account", async (t) => {
    const limited = await Parlance.start({ rates: true });
    t.after(() => limited.stop());
    const [ann, ben] = [await limited.person("Ann"), await limited.person("Ben")];
    const wrong = { email: ann.email, password: "not the password" };
    const reply = await until("the account is slowed down", async () => {
      const answer = await limited.request("POST", "/api/auth/login", wrong);
      return answer.status === 429 && answer;
    });
    assertFailure(reply.body, "rate-limited");
    assert.ok(reply.body.error.retryAfterMs > 0);
    assert.ok(Number(reply.headers.get("retry-after")) >= 1);
    assert.equal(reply.body.error.retryable, true);
    await ben.login();
  });
});
