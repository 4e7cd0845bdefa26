import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";
import { fileURLToPath } from "node:url";

/** Debian's Chromium, told to look for nothing outside this machine. */
export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
      "--host-resolver-rules=MAP another.test 127.0.0.1"],
  });

export const SIZES = {
  desktop: { viewport: { width: 1440, height: 900 } },
  tablet: { viewport: { width: 820, height: 1180 }, hasTouch: true },
  phone: { viewport: { width: 360, height: 780 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 },
};

const shots = fileURLToPath(new URL("../../../../target/screenshots/", import.meta.url));

/** Screenshots are left in target/screenshots, where CI finds them. */
export async function shot(page, name) {
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: `${shots}${name}.png`, animations: "disabled" });
}

/** Opens the page and collects what it must not do: errors, refused inline code, requests to elsewhere. */
export async function visit(browser, url, options = {}) {
  const context = await browser.newContext({ ...SIZES.desktop, ...options });
  if (url.startsWith("http://127.0.0.1")) {
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: new URL(url).origin });
  }
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (e) => faults.push(String(e)));
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) faults.push(message.text());
  });
  page.on("request", (request) => {
    const to = request.url();
    if (!to.startsWith(url) && !/^(blob|data):/.test(to)) faults.push(`asked for ${to}`);
  });
  await page.goto(url);
  return { page, context, faults };
}

export async function openScene(page, index = 0) {
  await page.locator(".scene").nth(index).click();
  await page.locator(".picture").waitFor();
}

/** From picture pixels to the page's. */
export async function onPicture(page, x, y) {
  const frame = await page.locator(".picture").boundingBox();
  const natural = await page.locator(".picture").evaluate((img) => [img.naturalWidth, img.naturalHeight]);
  return [frame.x + (x / natural[0]) * frame.width, frame.y + (y / natural[1]) * frame.height];
}

export async function drag(page, from, to) {
  const a = await onPicture(page, ...from);
  const b = await onPicture(page, ...to);
  await page.mouse.move(...a);
  await page.mouse.down();
  await page.mouse.move((a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
  await page.mouse.move(...b);
  await page.mouse.up();
}

export async function click(page, x, y) {
  await page.mouse.click(...(await onPicture(page, x, y)));
}

export const question = (page) => page.getByRole("textbox", { name: "Your question" });

/** Asks, and waits for the whole answer; gives its words. */
export async function ask(page, text) {
  const before = await page.locator(".turn").count();
  await question(page).fill(text);
  await question(page).press("Enter");
  await page.locator(".turn").nth(before).waitFor();
  await page.locator(".turn").nth(before).locator(".answer-foot").waitFor();
  return await answerAt(page, before);
}

export async function answerAt(page, index) {
  const text = await page.locator(".turn").nth(index).locator(".answer-text").innerText();
  return text.replace(/^Answer:\s*/, "").trim();
}
