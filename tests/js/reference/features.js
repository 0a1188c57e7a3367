// The official Socket.IO server behind the contract of the example `features`.
import { createServer } from "node:http";
import { Server } from "socket.io";
import * as msgpack from "socket.io-msgpack-parser";
import { announce } from "./announce.js";

const http = createServer((_, response) => response.writeHead(404).end());
const io = new Server(http, {
  cors: { origin: "*" },
  ...(process.env.PARSER === "msgpack" && { parser: msgpack }),
  ...(process.env.RECOVERY && { connectionStateRecovery: { maxDisconnectionDuration: Number(process.env.RECOVERY) }, pingInterval: 300, pingTimeout: 1000 }),
});
const reasons = new Map();
const orders = new Map();

io.of("/auth").use((socket, next) => {
  const { token } = socket.handshake.auth;
  if (token === "right") return next();
  const refusal = new Error(token === undefined ? "no token" : "wrong token");
  if (token !== undefined) refusal.data = { code: 401 };
  next(refusal);
});

io.on("connection", (socket) => {
  const { name } = socket.handshake.auth;
  socket.on("disconnect", (reason) => name && reasons.set(name, reason));
  socket.on("reason-of", (of, ack) => ack(reasons.get(of) ?? null));
  socket.on("leave-me", () => socket.disconnect(true));

  socket.on("order", (key, item, ack) => {
    const attempt = (orders.get(key) ?? 0) + 1;
    orders.set(key, attempt);
    if (attempt === 1) socket.emit("ordered", item);
    else ack(attempt);
  });
  socket.on("volatile-after", () => {
    socket.emit("sure", 1);
    socket.volatile.emit("maybe", 2);
    socket.emit("sure", 3);
  });
  socket.on("volatile-now", (bytes) => [1, 2].forEach((n) => socket.volatile.emit("maybe", n, bytes)));

  socket.on("echo", (...args) => args.pop()(...args));
  socket.on("values", (value, ack) => ack(JSON.stringify(value ?? null)));
  socket.on("byte", (byte, ack) => ack(Number.isInteger(byte) && byte < 256 ? byte : { error: "bad-request", event: "byte" }));
  socket.on("handshake", (ack) => {
    const { query, headers, auth, url, xdomain } = socket.handshake;
    ack({ query: query.q ?? null, header: headers["x-test"] ?? null, auth, url, xdomain, address: "127.0.0.1" });
  });
  socket.on("remember", (what, ack) => {
    socket.data.what = what;
    ack();
  });
  socket.on("recall", (ack) => ack(socket.data.what ?? null));
  socket.onAny((event, ...args) => event === "unknown" && socket.emit("seen", ...args));

  socket.on("join", (rooms, ack) => {
    socket.join(rooms);
    ack(socket.rooms.size);
  });
  socket.on("move", (from, to, ack) => {
    io.in(from).socketsJoin(to);
    io.in(from).socketsLeave(from);
    ack();
  });
  socket.on("who", async (room, ack) => ack((await io.in(room).fetchSockets()).map(({ id }) => id)));
  socket.on("say", (to, except, what, ack) => {
    to.reduce((meant, room) => meant.to(room), io.except(except)).emit("said", what);
    ack();
  });
  socket.on("throw-out", (room, close) => io.in(room).disconnectSockets(close));

  socket.on("ask-me", (ms) => {
    socket.timeout(ms).emit("question", (error, answer) => socket.emit("you-said", error ? "the client did not answer in time" : answer));
  });
  socket.on("ask-room", (room, ms, ack) => {
    io.in(room).timeout(ms).emit("question", async (error, answers) => {
      const meant = (await io.in(room).fetchSockets()).length;
      ack(answers.sort(), meant - answers.length);
    });
  });
});

announce(http);
