import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { ask, click, drag, launch, openScene, question, shot, SIZES, visit } from "../browser.js";
import { startMock } from "../mock/server.js";

/** Every size and theme: an accessibility scan of each state of the page, and a screenshot of it. */
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;
let mock;
before(async () => {
  browser = await launch();
  mock = await startMock();
});
after(async () => {
  await browser.close();
  await mock.stop();
});

async function scan(page, name) {
  await shot(page, name);
  const found = await page.evaluate(`${axe}; axe.run({ resultTypes: ["violations"] })`);
  const wrong = found.violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.map((n) => `${n.html} ${n.failureSummary}`).join(" | ")}`);
  assert.deepEqual(wrong, [], name);
}

for (const [size, options] of Object.entries(SIZES)) {
  for (const colorScheme of ["light", "dark"]) {
    test(`${size}, ${colorScheme}`, async () => {
      const { page, context, faults } = await visit(browser, mock.url, { ...options, colorScheme, reducedMotion: "reduce" });
      const see = (state) => scan(page, `${state}-${size}-${colorScheme}`);
      await page.locator(".scene").first().waitFor();
      await page.waitForFunction(() => [...document.images].every((image) => image.complete || image.getBoundingClientRect().top > innerHeight));
      await see("start");
      await openScene(page);
      await see("open");
      await drag(page, [360, 41], [464, 179]);
      await see("drawn");
      await ask(page, "What is this?");
      await drag(page, [239, 213], [326, 353]);
      await click(page, 280, 160);
      await ask(page, "What is [2] next to [3]?");
      await page.getByRole("button", { name: "Whole picture", exact: true }).click();
      await ask(page, "Where is the penguin?");
      await question(page).fill("And how big is [2] beside [1]");
      await see("asked");
      await question(page).fill("");
      await page.getByRole("button", { name: /every region/ }).click();
      await page.getByRole("button", { name: "Copy the table" }).waitFor();
      await page.locator("tbody tr").first().hover();
      await see("table");
      await page.getByRole("button", { name: "Settings", exact: true }).click();
      await see("settings");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "How it works" }).click();
      await see("help");
      await page.keyboard.press("Escape");
      mock.faults.refuse = "region r1: expected x1 < x2, found x1=9 x2=3";
      await question(page).fill("And this?");
      await question(page).press("Enter");
      await page.getByRole("alert").waitFor();
      await see("refused");
      mock.faults.refuse = undefined;
      Object.assign(mock.faults, { queueMs: 60_000 });
      await question(page).fill("Describe the image");
      await question(page).press("Enter");
      await page.getByText("Waiting for its turn").waitFor();
      await see("queued");
      await page.getByRole("button", { name: "Stop", exact: true }).click();
      Object.assign(mock.faults, { queueMs: 0, msPerPiece: 60_000 });
      await question(page).fill("Describe the image");
      await question(page).press("Enter");
      await page.locator(".caret").waitFor();
      await see("writing");
      await page.getByRole("button", { name: "Stop", exact: true }).click();
      mock.faults.msPerPiece = undefined;
      const { port } = mock;
      await mock.stop();
      await question(page).fill("And now?");
      await question(page).press("Enter");
      await page.getByText("The server cannot be reached").waitFor();
      await see("offline");
      mock = await startMock({ port, loading: true });
      await page.getByText("The model is loading.").waitFor();
      await see("loading");
      mock.faults.loading = false;
      await context.close();
      assert.deepEqual(faults, []);
    });
  }
}
