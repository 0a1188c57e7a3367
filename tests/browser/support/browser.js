// The system's Chromium, and pages that remember everything that went wrong on them.
import { mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = path.dirname(fileURLToPath(import.meta.url));
const pictures = path.resolve(here, "../../..", process.env.CARGO_TARGET_DIR ?? "target", "screenshots");

/** Widths for which the page is made. */
export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

// Without the last ones it looks for hosts of its maker, which takes time where there is no network.
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
}

/**
 * A page of its own context: nothing is shared with other pages. `page.problems` collects errors of scripts, of the
 * console (refusals by the content policy among them) and requests to other hosts.
 */
export async function openPage(browser, url, options = DESKTOP) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.problems = [];
  page.setDefaultTimeout(10_000);
  page.on("pageerror", (error) => page.problems.push(`script: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") page.problems.push(`console: ${message.text()}`);
  });
  page.on("dialog", (dialog) => {
    page.problems.push(`dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin)) page.problems.push(`foreign request: ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

/** Writes target/screenshots/`name`.png, with animations at their end. */
export async function picture(page, name) {
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: path.join(pictures, `${name}.png`), animations: "disabled" });
}
