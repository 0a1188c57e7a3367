// The official Socket.IO server behind the contract of the example `socketio_suite`.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { announce } from "./announce.js";
import { answerMessages } from "./messages.js";

const http = createServer((_, response) => response.writeHead(404).end());
const io = new Server(http, {
  pingInterval: 300,
  pingTimeout: 200,
  maxHttpBufferSize: 1_000_000,
  connectTimeout: 1000,
  cors: { origin: "*" },
});

for (const name of ["/", "/custom"]) {
  io.of(name).on("connection", answerMessages);
}

announce(http);
