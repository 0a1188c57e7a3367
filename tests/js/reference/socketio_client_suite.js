// The official Socket.IO server behind the contract of the example `socketio_client_suite`.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { announce } from "./announce.js";

const http = createServer((_, response) => response.writeHead(404).end());
const io = new Server(http, {
  pingInterval: 2000,
  cors: { origin: "*" },
  connectionStateRecovery: {},
  allowRequest: (_, done) => setTimeout(() => done(null, true), 10),
});
const bytes = Buffer.from("asdfasdf");
const UTF8 = ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"];

for (const name of ["/timeout_socket", "/valid", "/asd"]) io.of(name);
io.of("/foo").on("connection", (socket) => socket.on("getId", (ack) => ack(socket.id)));
io.of("/abc").on("connection", (socket) => socket.emit("handshake", socket.handshake));
io.of("/no").use((_, next) => next(new Error("Auth failed (custom namespace)")));
io.use((socket, next) => next(socket.handshake.query.fail ? new Error("Auth failed (main namespace)") : undefined));

io.on("connection", (socket) => {
  socket.on("hi", () => socket.emit("hi"));
  socket.on("echo", (argument, ack) => ack(argument));
  socket.on("ack", () => socket.emit("ack", (a, b) => a === 5 && b.test && socket.emit("got it")));
  socket.on("getAckDate", (_, ack) => ack(new Date()));
  socket.on("getDate", () => socket.emit("takeDate", new Date()));
  socket.on("getDateObj", () => socket.emit("takeDateObj", { date: new Date() }));
  socket.on("false", () => socket.emit("false", false));
  socket.on("getUtf8", () => UTF8.forEach((text) => socket.emit("takeUtf8", text)));
  socket.on("doge", () => socket.emit("doge", bytes));
  socket.on("getbin", () => socket.emit("takebin", bytes));
  socket.on("buffa", (a) => Buffer.isBuffer(a) && socket.emit("buffack"));
  socket.on("jsonbuff", ({ hello, message, goodbye }) => hello === "lol" && message.equals(bytes) && goodbye === "gotcha" && socket.emit("jsonbuff-ack"));
  let first = false;
  socket.on("abuff1", (a) => (first = Buffer.isBuffer(a)));
  socket.on("abuff2", () => first && socket.emit("abuff2-ack"));
  socket.on("getHandshake", (ack) => ack(socket.handshake));
  socket.on("getId", (ack) => ack(socket.id));
});

announce(http);
