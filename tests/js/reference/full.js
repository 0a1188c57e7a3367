// The official Socket.IO server behind the contract of the example `full`.
import { createServer } from "node:http";
import { Server } from "socket.io";
import * as msgpack from "socket.io-msgpack-parser";
import { announce } from "./announce.js";
import { answerMessages } from "./messages.js";

const http = createServer((_, response) => response.writeHead(404).end());
const io = new Server(http, {
  pingInterval: 2000,
  pingTimeout: 2000,
  maxHttpBufferSize: 1_000_000,
  connectTimeout: 1000,
  cors: { origin: "*" },
  ...(process.env.PARSER === "msgpack" && { parser: msgpack }),
});

function serve(namespace) {
  namespace.on("connection", (socket) => {
    answerMessages(socket);
    socket.on("ask-ack", (x) => {
      socket.emit("please-ack", x, (...answer) => socket.emit("ack-was", ...answer));
    });
    socket.on("join", (room, ack) => {
      socket.join(room);
      ack();
    });
    socket.on("leave", (room, ack) => {
      socket.leave(room);
      ack();
    });
    socket.on("to-room", (room, message, ack) => {
      socket.to(room).emit("room-msg", message);
      ack();
    });
    socket.on("in-room", (room, message) => namespace.to(room).emit("room-msg", message));
    socket.on("broadcast", (message) => socket.broadcast.emit("bcast", message));
    socket.on("kick-me", () => socket.disconnect());
    socket.on("drop-me", () => socket.conn.close());
  });
}

serve(io.of("/"));
serve(io.of("/custom"));

io.of("/deny").use((socket, next) => {
  const refusal = new Error("not allowed");
  refusal.data = { code: 42 };
  next(refusal);
});

announce(http);
