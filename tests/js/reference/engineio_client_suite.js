// The official Engine.IO server behind the contract of the example `engineio_client_suite`.
import { createServer } from "node:http";
import { attach } from "engine.io";
import { announce } from "./announce.js";

const http = createServer((_, response) => response.writeHead(404).end());
const engine = attach(http, {
  path: "/engine.io/",
  pingInterval: 500,
  maxHttpBufferSize: 100,
  cors: { origin: "*" },
  allowRequest: (request, allow) => allow(null, !new URL(request.url, "http://h").searchParams.has("deny")),
});

let lastPost = {};
http.prependListener("request", (request) => {
  if (request.method === "POST") lastPost = request.headers;
});

engine.on("initial_headers", (headers) => {
  headers["set-cookie"] = [
    "1=1; Max-Age=86400",
    "2=2; Path=/; HttpOnly; Secure; SameSite=Strict",
    "3=3; Max-Age=0",
    `4=4; Expires=${new Date().toUTCString()}`,
  ];
});

engine.on("connection", (socket) => {
  socket.send("hi");
  socket.on("message", (data) => {
    if (data === "give binary") socket.send(Buffer.from([0, 1, 2, 3, 4]));
    else if (data === "give utf8") socket.send("пойду спать всем спокойной ночи");
    else if (data === "sendHeaders") socket.send(JSON.stringify(lastPost));
    else socket.send(data);
  });
});

announce(http);
