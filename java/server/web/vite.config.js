import { defineConfig } from "vite";

// The server packs what is built here into its jar and serves it under a policy without inline scripts or styles, so nothing may be
// inlined: no data: URIs, no preload helper, no source maps.
export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/main/resources/web",
    emptyOutDir: true,
    target: ["chrome123", "firefox120", "safari17.5"],
    modulePreload: false,
    assetsInlineLimit: 0,
    sourcemap: false,
  },
  server: { proxy: Object.fromEntries(["/v1", "/props", "/health", "/samples"].map((path) => [path, "http://127.0.0.1:8080"])) },
});
