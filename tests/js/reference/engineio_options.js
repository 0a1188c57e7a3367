// The official Engine.IO server with one of the rarer options set, as in the example `engineio_options`.
import { createServer } from "node:http";
import { attach } from "engine.io";
import { announce } from "./announce.js";

const cors = (origin) => ({
  origin,
  credentials: true,
  methods: ["GET", "POST"],
  allowedHeaders: ["x-one", "x-two"],
  exposedHeaders: ["x-three"],
  maxAge: 600,
});

const OPTIONS = {
  "": {},
  cookie: { cookie: true },
  "cookie-attributes": {
    cookie: {
      name: "session",
      path: "/live",
      domain: "example.org",
      httpOnly: false,
      sameSite: "none",
      secure: true,
      maxAge: 86_400,
      expires: new Date(2_000_000_000_000),
      partitioned: true,
      priority: "high",
    },
  },
  "cors-fixed": { cors: cors("http://a.test") },
  "cors-list": { cors: cors(["http://a.test"]) },
  "cors-reflected": { cors: { origin: true } },
  "cors-delegate": { cors: (request, callback) => setImmediate(callback, null, { origin: "*" }) },
  refused: { allowRequest: (request, callback) => setImmediate(callback, 'not "you"\n', false) },
  "initial-packet": { initialPacket: "welcome" },
  headers: {},
  id: { cookie: true },
  "no-id": {},
  "no-slash": { path: "/custom/", addTrailingSlash: false },
  "no-upgrades": { allowUpgrades: false },
  "polling-only": { transports: ["polling"] },
  compression: { httpCompression: { threshold: 100 } },
};

const option = process.env.OPTION ?? "";
const http = createServer((_, response) => response.writeHead(404).end());
const engine = attach(http, OPTIONS[option]);

engine.on("connection", (socket) => {
  socket.on("message", (data) => socket.send(data, { compress: !String(data).startsWith("plain") }));
});
if (option === "headers") {
  engine.on("initial_headers", (headers) => (headers["x-initial"] = "yes"));
  engine.on("headers", (headers) => (headers["x-every"] = "yes"));
}
if (option === "id") engine.generateId = async () => 'node 1/ü"';
if (option === "no-id") engine.generateId = () => Promise.reject(new Error("no id"));

announce(http);
