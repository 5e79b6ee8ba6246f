import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vitest/config";
import { bridge } from "./bridge/plugin.ts";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  plugins: [svelte(), svelteTesting(), bridge()],
  resolve: {
    alias: { $lib: at("./src/lib"), $components: at("./src/components"), $charts: at("./src/charts") },
  },
  // The Tauri window and the tests look here; a silent move to another port would show them an old build.
  server: { host: "127.0.0.1", port: 5173, strictPort: true },
  preview: { host: "127.0.0.1", port: 4173, strictPort: true },
  // bits-ui's modules are scanned once: without it the first visit of a place reloads the page.
  optimizeDeps: { include: ["bits-ui"] },
  // For older ones `:dir(rtl)` would become a list of languages, and the app says none of them.
  build: { target: ["es2022", "safari16"], cssTarget: ["chrome120", "safari16.4"], chunkSizeWarningLimit: 700 },
  test: { environment: "jsdom", include: ["src/**/*.test.ts", "bridge/**/*.test.ts"], setupFiles: ["src/test/setup.ts"] },
});
