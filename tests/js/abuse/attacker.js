// The process of one attack: `node attacker.js NAME`, with what it needs to know on standard input.
import { text } from "node:stream/consumers";
import { ATTACKS } from "./attacks.js";

process.on("unhandledRejection", () => {});
await ATTACKS[process.argv[2]](JSON.parse(await text(process.stdin)));
