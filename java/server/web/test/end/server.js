import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../../../../", import.meta.url));

const freePort = () =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

/** `./fovea serve` with the demo model, or the server that FOVEA_URL names; `stop` ends it as an operator would. */
export async function serve() {
  if (process.env.FOVEA_URL) return { url: process.env.FOVEA_URL, stop: async () => {} };
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const child = spawn(`${root}fovea`, ["serve", "--port", String(port)], { stdio: ["ignore", "ignore", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve(signal ?? code)));
  const end = Date.now() + 300_000; // a first start builds
  while (!(await fetch(`${url}health`).then((r) => r.ok, () => false))) {
    assert.ok(Date.now() < end && child.exitCode === null, "the server did not start");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return {
    url,
    stop: async () => {
      child.kill("SIGTERM");
      return await ended;
    },
  };
}
