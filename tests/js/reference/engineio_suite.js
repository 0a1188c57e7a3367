// The official Engine.IO server behind the contract of the example `engineio_suite`: an echo.
import { createServer } from "node:http";
import { attach } from "engine.io";
import { announce } from "./announce.js";

const http = createServer((_, response) => response.writeHead(404).end());
const engine = attach(http, {
  path: "/engine.io/",
  pingInterval: 300,
  pingTimeout: 200,
  maxHttpBufferSize: 1_000_000,
  cors: { origin: "*" },
});

engine.on("connection", (socket) => {
  socket.on("message", (data) => socket.send(data));
});

announce(http);
