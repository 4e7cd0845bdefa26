import { runnerImport } from "vite";

/** The page's TypeScript modules, as node can run them. */
export const load = async (path) => (await runnerImport(new URL(`../../src/${path}`, import.meta.url).pathname)).module;
