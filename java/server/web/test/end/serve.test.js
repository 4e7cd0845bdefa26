import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, afterEach, before, test } from "node:test";
import { answerAt, ask, click, drag, launch, openScene, question, shot, SIZES, visit } from "../browser.js";
import { root, serve } from "./server.js";

/** The page with the real server and the demo model: what is shown must be what the model says. FOVEA_URL names a server that already runs. */
const samples = `${root}samples/`;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let url;
let server;
let browser;
let context;
let page;
let faults;

before(async () => {
  server = await serve();
  url = server.url;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const start = async (options) => {
  ({ page, context, faults } = await visit(browser, url, options));
};

afterEach(async () => {
  await context?.close();
  assert.deepEqual(faults, [], "errors of the page, or what its policy refused");
});

/** The server's own words about a region of the first scene, asked without the page. */
async function said(text, regions, image = "scene-01.png") {
  const picture = `data:image/png;base64,${readFileSync(samples + image).toString("base64")}`;
  const part = { type: "image_url", image_url: { url: picture }, ...(regions.length > 0 ? { regions, region_units: "pixel" } : {}) };
  const response = await fetch(`${url}v1/chat/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model: "default", temperature: 0, max_tokens: 256, messages: [{ role: "user", content: [part, { type: "text", text }] }] }),
  });
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body.choices[0].message.content;
}

const sent = async () => {
  const request = await page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
  return request.postDataJSON();
};

const metric = async (name) => {
  const text = await (await fetch(`${url}metrics`)).text();
  const lines = text.split("\n").filter((line) => !line.startsWith("#") && line.split(/[{ ]/)[0].endsWith(name));
  assert.ok(lines.length > 0, `no metric ${name}`);
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
};

test("a dragged box, a point and two regions get the model's own answers, streamed", async () => {
  await start();
  await openScene(page);
  await page.evaluate(() => {
    window.seen = new Set();
    new MutationObserver(() => {
      const text = document.querySelector(".answer-text")?.textContent;
      if (text) window.seen.add(text);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  await drag(page, [360, 41], [464, 179]);
  const asked = sent();
  const answer = await ask(page, "What is this?");
  const [part, text] = (await asked).messages[0].content;
  assert.equal(text.text, "What is this? <r1>");
  assert.equal(answer, (await said(text.text, part.regions)).trim());
  assert.match(answer, /rabbit/);
  assert.ok((await page.evaluate(() => window.seen.size)) > 2, "the answer came in one piece");
  assert.match(await page.locator(".figures").innerText(), /first token \d.* · \d.* tokens\/s/);
  await page.getByRole("button", { name: "New picture" }).first().click();
  await openScene(page);
  await click(page, 280, 280);
  assert.match(await ask(page, "What is this?"), /penguin/);
  await drag(page, [360, 41], [464, 179]);
  const both = sent();
  await ask(page, "What is [1] beside [2]?");
  assert.deepEqual((await both).messages[0].content[0].regions.map((r) => r.id), ["r1", "r2"]);
  await shot(page, "end-desktop");
});

test("a reload keeps the conversation, and it goes on", async () => {
  await start({ colorScheme: "dark" });
  await openScene(page);
  await drag(page, [239, 213], [326, 353]);
  const first = await ask(page, "What is this?");
  await page.waitForTimeout(400);
  await page.reload();
  await page.locator(".picture").waitFor();
  assert.equal(await answerAt(page, 0), first);
  const next = sent();
  await ask(page, "Is there a rabbit in the image?");
  assert.equal((await next).messages.length, 3);
  assert.match(await answerAt(page, 1), /Yes/);
});

test("stop ends the work in the server", async () => {
  await start();
  // The demo model's answers are short; told to go on after their end, it writes until it is stopped.
  await page.route("**/v1/chat/completions", (route) =>
    route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), ignore_eos: true, max_tokens: 900 }) }),
  );
  await openScene(page);
  const before = await metric("request_cancelled_total").catch(() => 0);
  await question(page).fill("Describe the image.");
  await question(page).press("Enter");
  await page.waitForFunction(() => document.querySelector(".answer-text")?.textContent.length > 20);
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("Stopped here").waitFor();
  await page.waitForTimeout(300);
  assert.equal(await metric("request_cancelled_total"), before + 1);
  assert.equal(await metric("num_requests_running"), 0);
});

test("every region is asked about, with the answers each gets alone", async () => {
  await start();
  await openScene(page);
  await page.getByRole("button", { name: "Box everything" }).click();
  await page.getByRole("button", { name: /What is this.*every region/ }).click();
  await page.getByRole("button", { name: "Copy the table" }).waitFor();
  const rows = await page.locator("tbody td:nth-child(2)").allInnerTexts();
  const scene = JSON.parse(readFileSync(`${samples}scenes.json`, "utf8"))[0];
  for (const [i, { box }] of scene.objects.entries()) {
    const alone = await said(`What is this? <r${i + 1}>`, [{ id: `r${i + 1}`, box }]);
    assert.equal(rows[i].replace(/^Answer:\s*/, "").trim(), alone.trim());
  }
  await shot(page, "end-table");
});

test("an error of the server is shown in its words", async () => {
  await start();
  await openScene(page);
  await question(page).fill("why ".repeat(4000));
  await question(page).press("Enter");
  const alert = page.getByRole("alert");
  await alert.waitFor();
  assert.match(await alert.innerText(), /context|token/i);
  assert.match(await ask(page, "Is there a rabbit in the image?"), /Yes/);
});

test("the page works at phone width and has no accessibility finding", async () => {
  await start({ ...SIZES.phone, reducedMotion: "reduce" });
  await openScene(page, 2);
  await drag(page, [275, 137], [458, 311]);
  assert.match(await ask(page, "What is this?"), /bee/);
  await shot(page, "end-phone");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
  const { violations } = await page.evaluate(`${axe}; axe.run({ resultTypes: ["violations"] })`);
  assert.deepEqual(violations.map((v) => v.id), []);
});

test("what a copied curl command gets is what the page shows", async () => {
  await start();
  await openScene(page);
  await drag(page, [360, 41], [464, 179]);
  const answer = await ask(page, "What is this?");
  await page.getByRole("button", { name: "Copy as curl" }).click();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  const run = spawn("bash", ["-c", command], { cwd: samples, stdio: ["ignore", "pipe", "ignore"] });
  let out = "";
  for await (const part of run.stdout) out += part;
  assert.equal(JSON.parse(out).choices[0].message.content.trim(), answer);
});

test("the page is served under a policy without anything inline", async () => {
  await start();
  const response = await fetch(url);
  const policy = response.headers.get("content-security-policy") ?? "";
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  const props = await (await fetch(`${url}props`)).json();
  for (const field of ["model", "backend", "image_mode", "context", "preset", "version"]) assert.ok(props[field], field);
});
