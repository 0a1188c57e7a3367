// Engine.IO by hand: fetch for polling, ws for WebSocket, no client library in between.
import assert from "node:assert/strict";
import http from "node:http";
import { WebSocket } from "ws";
import { PROMPT_MS, within } from "./wait.js";

/** Generous for an answer that the server has at hand; still well under every heartbeat of the example servers. */
const ANSWER_MS = PROMPT_MS;

/** One Engine.IO endpoint: `path` is `/engine.io/` or `/socket.io/`. */
export class Endpoint {
  constructor(server, path) {
    this.base = `${server.url}${path}`;
    this.wsBase = this.base.replace("http", "ws");
  }

  /** `query` is written as it is, without a check: wrong queries are part of the tests. */
  url(query) {
    return `${this.base}?${query}`;
  }

  /** One HTTP request; resolves to `{status, headers, text}`. */
  async request(query, options = {}, bound = ANSWER_MS) {
    const exchange = async () => {
      const response = await fetch(this.url(query), options);
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
    return within(bound, `${options.method ?? "GET"} ?${query}`, exchange());
  }

  /** Opens a polling session: `{sid, handshake, get, post, …}`. */
  async poll(query = "") {
    const askedAt = performance.now();
    const { status, text } = await this.request(`EIO=4&transport=polling${query}`);
    assert.equal(status, 200, text);
    assert.equal(text[0], "0");
    return new PollingSession(this, JSON.parse(text.slice(1)), { askedAt, openedAt: performance.now() });
  }

  /** Opens a WebSocket; nothing is awaited. */
  socket(query) {
    return new RawSocket(`${this.wsBase}?${query}`);
  }

  /** Opens a session over WebSocket and reads its handshake. */
  async stream() {
    const askedAt = performance.now();
    const socket = this.socket("EIO=4&transport=websocket");
    socket.askedAt = askedAt;
    const packet = await socket.text();
    assert.equal(packet[0], "0");
    socket.handshake = JSON.parse(packet.slice(1));
    socket.openedAt = performance.now();
    return socket;
  }
}

export class PollingSession {
  /** The server opened the session after `askedAt` and before `openedAt`. */
  constructor(endpoint, handshake, { askedAt, openedAt }) {
    Object.assign(this, { endpoint, handshake, askedAt, openedAt, sid: handshake.sid });
    this.query = `EIO=4&transport=polling&sid=${this.sid}`;
  }

  request(options, bound) {
    return this.endpoint.request(this.query, options, bound);
  }

  /** A GET that is expected to be answered 200; its body. */
  async get(bound) {
    const { status, text } = await this.request({}, bound);
    assert.equal(status, 200, text);
    return text;
  }

  /** A POST that is expected to be answered 200 `ok`. */
  async post(body) {
    const { status, text } = await this.request({ method: "POST", body });
    assert.deepEqual([status, text], [200, "ok"]);
  }

  /** The session is unknown to the server. Asks by POST: a GET to a live session would wait, and count as a second one. */
  async assertGone() {
    const { status, text } = await this.request({ method: "POST", body: "4x" });
    assert.deepEqual([status, JSON.parse(text)], [400, { code: 1, message: "Session ID unknown" }]);
  }

  /** The session answers an echo. */
  async assertAlive(echo = "4alive") {
    await this.post(echo);
    assert.equal(await this.get(), echo);
  }

  /**
   * A GET that is surely on its way before this resolves: on a warm connection, and flushed.
   * `answer` is the promise of `{status, text}`; `abort()` cuts the TCP connection.
   */
  async pend() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    await answer(http.get(this.endpoint.url("EIO=4&transport=none"), { agent }));
    const request = http.get(this.endpoint.url(this.query), { agent });
    const reply = answer(request).finally(() => agent.destroy());
    reply.catch(() => {});
    await within(ANSWER_MS, "the GET is written", new Promise((resolve) => request.on("finish", resolve)));
    await new Promise(setImmediate);
    return { answer: reply, abort: () => request.destroy() };
  }

  /** The WebSocket of an upgrade, open. */
  async upgrading() {
    const socket = this.endpoint.socket(`EIO=4&transport=websocket&sid=${this.sid}`);
    await socket.opened();
    return socket;
  }

  /** A completed upgrade. */
  async upgrade() {
    const socket = await this.upgrading();
    socket.send("2probe");
    assert.equal(await socket.text(), "3probe");
    socket.send("5");
    return socket;
  }
}

function answer(request) {
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (data) => (text += data));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
  });
}

/** A WebSocket whose frames are read one by one, in order. */
export class RawSocket {
  #frames = [];
  #wake = () => {};

  constructor(url) {
    this.ws = new WebSocket(url, { perMessageDeflate: false });
    this.ws.on("message", (data, isBinary) => this.#push(isBinary ? data : data.toString()));
    this.ws.on("unexpected-response", (request, response) => {
      this.refusal = response.statusCode;
      request.destroy();
      this.#push(null);
    });
    this.ws.on("error", () => {});
    this.ws.on("close", (code, reason) => {
      this.closing = { code, reason: reason.toString() };
      this.#push(null);
    });
  }

  #push(frame) {
    this.#frames.push(frame);
    this.#wake();
  }

  opened() {
    if (this.ws.readyState === WebSocket.OPEN) return undefined;
    return within(ANSWER_MS, "the WebSocket opens", new Promise((resolve, reject) => {
      this.ws.on("open", resolve);
      this.ws.on("close", () => reject(new Error("the WebSocket was refused")));
    }));
  }

  send(data) {
    this.ws.send(data);
  }

  /** The next frame: a string, a Buffer, or null when the connection has ended. */
  async frame(bound = ANSWER_MS) {
    if (!this.#frames.length) {
      await within(bound, "a frame", new Promise((resolve) => (this.#wake = resolve)));
      this.#wake = () => {};
    }
    return this.#frames[0] === null ? null : this.#frames.shift();
  }

  async text(bound) {
    const frame = await this.frame(bound);
    assert.equal(typeof frame, "string", `a text frame, not ${frame === null ? "the end" : frame.toString("hex")}`);
    return frame;
  }

  /** The next frame that is no ping; pings are answered. For talk that may take longer than the ping interval. */
  async beyondPings(bound) {
    for (;;) {
      const frame = await this.frame(bound);
      if (frame !== "2") return frame;
      this.send("3");
    }
  }

  /** Answers pings until the server has closed the connection: so a ping time-out cannot pass for a close. */
  async closed(bound = ANSWER_MS) {
    const end = performance.now() + bound;
    for (;;) {
      const frame = await this.frame(Math.max(1, end - performance.now()));
      if (frame === null) return this.closing;
      if (frame === "2") this.send("3");
      else assert.fail(`the connection ends, no further frame: ${frame}`);
    }
  }

  end() {
    this.ws.terminate();
  }
}
