import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const committed = fileURLToPath(new URL("../../../src/main/resources/web/", import.meta.url));

/** Every file below a folder with its bytes. */
function files(folder) {
  const found = {};
  for (const name of readdirSync(folder, { recursive: true })) {
    const path = join(folder, name);
    if (statSync(path).isFile()) found[relative(folder, path)] = readFileSync(path, "latin1");
  }
  return found;
}

test("the committed page is what its sources build", async () => {
  const fresh = mkdtempSync(join(tmpdir(), "fovea-web-"));
  try {
    await build({ root: fileURLToPath(new URL("../..", import.meta.url)), logLevel: "error", build: { outDir: fresh, emptyOutDir: true } });
    const [wanted, found] = [files(fresh), files(committed)];
    assert.deepEqual(Object.keys(found).sort(), Object.keys(wanted).sort(), "npm run build, then commit");
    for (const name of Object.keys(wanted)) assert.ok(found[name] === wanted[name], `${name} differs: npm run build, then commit`);
  } finally {
    rmSync(fresh, { recursive: true });
  }
});

test("the built page has nothing inline and is small", () => {
  const found = files(committed);
  const html = found["index.html"];
  assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:/);
  for (const [name, text] of Object.entries(found)) {
    assert.doesNotMatch(text, /(src|href)=["']?(https?:)?\/\/|url\(["']?(https?:)?\/\/|@import/, name);
  }
  assert.ok(Object.values(found).join("").length < 160_000);
});
