// Pictures of the page for people to look at, in target/screenshots: each place, at two widths, by day and by night.
import { test } from "node:test";
import { say } from "./support/app.js";
import { DESKTOP, PHONE, picture } from "./support/browser.js";
import { throughLine } from "./support/line.js";
import { app, done, setUp, visit } from "./support/stage.js";

let people;
let chats;

setUp(furnish);

/** A few people who have talked. */
async function furnish() {
  const names = ["Anna Lindqvist", "Ben Okafor", "Mia Torres", "Kai Nakamura", "Zoë Petit", "Priya Raman"];
  const [anna, ben, mia, kai, zoe, priya] = await Promise.all(names.map((name) => app.register(name)));
  people = { anna, ben, mia, kai, zoe, priya };
  for (const [other, text] of [[priya, "See you next week then. I will send you the list of words before Monday."], [zoe, "You are welcome 😊"]]) {
    await other.call("POST", "/api/chats", { participantIds: [anna.id], initialMessage: text });
  }
  const group = { isGroup: true, name: "Thursday conversation club", participantIds: [anna.id, ben.id] };
  const club = await mia.call("POST", "/api/chats", group);
  await talk(club, [
    [mia, "Good morning everybody! Today we talk about travelling. Please bring one photo of a trip you liked, and three sentences about it."],
    [mia, "The worksheet is here: https://example.com/worksheets/travel-b1.pdf"],
    [ben, "Great, I have one from Lisbon"],
    [ben, "It rained the whole time, but the food was wonderful"],
    [anna, "🎉"],
    [anna, "I will bring the one from Norway. Is it all right if there are two sentences?"],
    [mia, "Three, please :)"],
  ]);
  await mia.call("POST", `/api/chats/${club.id}/participants`, { userId: kai.id });
  await talk(club, [[kai, "Hello! Thank you for adding me. I am a little nervous."], [anna, "Welcome, Kai. We all are 😊"]]);
  await liven(club);
  const pair = await anna.call("POST", "/api/chats", { participantIds: [ben.id] });
  await talk(pair, [
    [ben, "Are you coming on Thursday?"],
    [anna, "Yes, of course. Shall we go there together?"],
    [ben, "Good idea"],
    [ben, "I will wait at the station at six"],
  ]);
  chats = { club, pair };
}

/** A reply, a mention and some reactions. */
async function liven(club) {
  const { anna, ben, mia, kai } = people;
  const { messages } = await anna.call("GET", `/api/chats/${club.id}/messages`);
  const find = (text) => messages.find((one) => one.content.includes(text));
  const path = (message, emoji) => `/api/chats/${club.id}/messages/${message.id}/reactions/${encodeURIComponent(emoji)}`;
  for (const person of [anna, mia]) await person.call("PUT", path(find("rained"), "😂"));
  for (const person of [ben, mia, kai]) await person.call("PUT", path(find("Welcome"), "❤️"));
  const body = { content: "@Kai Nakamura you can have one of my sentences, I wrote seven", replyTo: find("Three, please").id, mentions: [kai.id] };
  const offer = await ben.call("POST", `/api/chats/${club.id}/messages`, body);
  await kai.call("PUT", path(offer, "🙏"));
  for (const person of [ben, mia, kai]) await person.call("POST", `/api/chats/${club.id}/read`, { seq: offer.seq });
}

async function talk(chat, lines) {
  for (const [person, text] of lines) await say(person, chat, text);
}

const NEWS = ["Do you have a minute?", "I found the tickets", "The train leaves at ten past six", "Do not forget the photo"];

for (const [width, size] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`the page on a ${width}, ${colorScheme}`, async () => {
      const line = {};
      const anna = await throughLine(people.anna, line, { ...size, colorScheme });
      const look = (place) => picture(anna.page, `${place}-${width}-${colorScheme}`);
      await walk(anna, look, width === "phone");
      await falter(anna, look, line);
      await done(anna);
    });
  }
}

/** Through every place, with a picture of each. */
async function walk(anna, look, isPhone) {
  const { page } = anna;
  const backOnPhone = async () => { if (isPhone) await page.getByRole("button", { name: "Back to the chats" }).click(); };
  await anna.row("Ben Okafor").getByLabel("unread").waitFor();
  await look("chats");
  await anna.open("Ben Okafor");
  await anna.sees("at six");
  await look("direct");
  await backOnPhone();

  const ben = await visit(people.ben);
  await ben.open("Thursday conversation club");
  await anna.open("Thursday conversation club");
  await ben.draft.pressSequentially("Hello");
  await anna.seesTyping("Ben Okafor");
  if (!isPhone) await anna.message("Three, please :)").first().hover();
  await look("group");
  await ben.draft.fill("");
  await done(ben);

  const news = NEWS.shift();
  await say(people.ben, chats.pair, news);
  await anna.isTold(news);
  await look("notification");
  await backOnPhone();
  await page.getByRole("button", { name: "New chat" }).click();
  await anna.pick("Ben Okafor", "Kai Nakamura");
  await look("new-chat");
  await page.keyboard.press("Escape");
}

/** The line is cut, and what was written meanwhile is refused. */
async function falter(anna, look, line) {
  const { page } = anna;
  await anna.open("Priya Raman");
  await anna.sees("See you next week");
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  await page.route("**/api/chats?**", async (route) => { await released; await route.continue(); });
  line.rewriteSent = (text) => {
    const id = String(text).match(/^42(\d+)\["send-message"/)?.[1];
    if (!id) return text;
    const error = { code: "forbidden", retryable: false };
    line.toPage(`43${id}[${JSON.stringify({ success: false, message: "You may not write here any more", error })}]`);
    return "3"; // a pong instead
  };
  await line.cut();
  await page.locator("#chat-about").filter({ hasText: "Reconnecting" }).waitFor();
  await anna.draft.fill("Thank you, I am looking forward to it!");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await anna.message("looking forward").getByRole("img", { name: "Sending" }).waitFor();
  await look("reconnecting");
  release();
  await page.getByText("You may not write here any more").waitFor();
  await look("not-sent");
}
