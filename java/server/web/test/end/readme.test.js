import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { root, serve } from "./server.js";

/** What the README and the how-to tell people to type is run as it stands there, and gives the answer. */
const run = promisify(execFile);
const web = fileURLToPath(new URL("../../", import.meta.url));
const TEXTS = ["README.md", "docs/how-to/serve.md"];
const IMPORTS = ["dev.fovea.*", "dev.fovea.model.image.*", "dev.fovea.model.prompt.*", "java.nio.file.*"];

let server;
let scratch;

before(async () => {
  scratch = mkdtempSync(join(web, ".readme-")); // below node_modules' folder, where Node looks for packages
  server = await serve();
});

after(async () => {
  await server?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

/** The blocks of a text, marked with a language or beginning with a word, for a server of this test's. */
function blocks(file, language, word) {
  const all = readFileSync(root + file, "utf8").matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm);
  return Array.from(all, ([, mark, body]) => ({ mark, body }))
    .filter(({ mark, body }) => mark === language && body.includes(word))
    .map(({ body }) => body.replaceAll("http://127.0.0.1:8080/", server.url));
}

const only = (found, what) => {
  assert.equal(found.length, 1, what);
  return found[0];
};

for (const file of TEXTS) {
  test(`curl as in ${file}`, async () => {
    const { stdout } = await run("bash", ["-c", only(blocks(file, "", "curl "), file)], { cwd: root });
    assert.match(JSON.parse(stdout).choices[0].message.content, /rabbit/);
  });

  test(`the openai package as in ${file}`, async () => {
    const script = join(scratch, `${TEXTS.indexOf(file)}.mjs`);
    writeFileSync(script, only(blocks(file, "js", "openai"), file));
    const { stdout } = await run(process.execPath, [script], { cwd: root });
    assert.match(stdout, /rabbit/);
  });
}

test("Java as in README.md", async () => {
  const script = join(scratch, "Snippet.java");
  const imports = IMPORTS.map((name) => `import ${name};\n`).join("");
  writeFileSync(script, `${imports}void main() throws Exception {\n${only(blocks("README.md", "java", "session.ask"), "java")}}\n`);
  const jdk = execFileSync(`${root}fovea`, ["jdk"], { encoding: "utf8" }).trim();
  // The flags and the class path of the last `./fovea`, which is this test's server.
  const { stdout } = await run(`${jdk}/bin/java`, [`@${root}.fovea/run.args`, script], { cwd: root });
  assert.match(stdout, /rabbit/);
});
