// Pictures of the page for people to look at, in target/screenshots: each place, at two widths, by day and by night.
import { after, before, test } from "node:test";
import { App, say } from "./support/app.js";
import { DESKTOP, PHONE, launch, openPage, picture } from "./support/browser.js";
import { Person } from "./support/person.js";

let app;
let browser;
let people;
let chats;

before(async () => {
  [app, browser] = await Promise.all([App.start(), launch()]);
  await furnish();
});

after(async () => {
  await browser?.close();
  await app?.stop();
});

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

for (const [width, size] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`the page on a ${width}, ${colorScheme}`, async () => {
      await walk(`${width}-${colorScheme}`, { ...size, colorScheme }, width === "phone");
    });
  }
}

/** Through every place, with a picture of each. */
async function walk(name, options, isPhone) {
  const anna = new Person(await openPage(browser, app.url, options));
  const { page } = anna;
  const backOnPhone = async () => { if (isPhone) await page.getByRole("button", { name: "Back to the chats" }).click(); };
  await picture(page, `login-${name}`);
  await anna.login(people.anna.email);
  await anna.row("Ben Okafor").waitFor();
  await picture(page, `chats-${name}`);
  await anna.open("Ben Okafor");
  await anna.sees("at six");
  await picture(page, `direct-${name}`);
  await backOnPhone();

  const ben = new Person(await openPage(browser, app.url));
  await ben.login(people.ben.email);
  await ben.open("Thursday conversation club");
  await anna.open("Thursday conversation club");
  await ben.draft.pressSequentially("Hello");
  await anna.seesTyping("Ben Okafor");
  await picture(page, `group-${name}`);
  await anna.message("Three, please :)").first().hover();
  await picture(page, `hover-${name}`);
  await ben.draft.fill("");
  await ben.page.context().close();

  await say(people.ben, chats.pair, "Do you have a minute?");
  await anna.isTold("Do you have a minute?");
  await picture(page, `notification-${name}`);
  await page.getByRole("button", { name: "People in this chat" }).click();
  await picture(page, `people-${name}`);
  await page.keyboard.press("Escape");
  await backOnPhone();
  await page.getByRole("button", { name: "New chat" }).click();
  await anna.pick("Ben Okafor", "Kai Nakamura");
  await picture(page, `new-chat-${name}`);
  anna.isFine();
  await page.context().close();
}
