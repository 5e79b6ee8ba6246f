/**
 * A window for a test: the built UI served by Vite's preview, the bridge to a real `casementctl rpc`
 * on a fresh workspace, and Chromium in front of it.
 *
 * Chromium is the distribution's (/usr/bin/chromium, or CHROMIUM); nothing is downloaded.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium, type Browser, type Page } from "playwright-core";
import { preview, type PreviewServer } from "vite";
import type { Commands } from "../src/lib/bindings/api";

const UI = fileURLToPath(new URL("..", import.meta.url));
const SCREENSHOTS = join(UI, "../target/screenshots");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

const SIZES = [
  { width: 1280, height: 800 },
  { width: 1024, height: 700 },
] as const;

export class CasementWindow {
  readonly page: Page;
  /** What the page said on its console as a warning or an error; the policy's refusals are among them. */
  readonly complaints: string[] = [];
  readonly #browser: Browser;
  readonly #server: PreviewServer;
  readonly #workspace: string;
  readonly #base: string;

  private constructor(page: Page, browser: Browser, server: PreviewServer, workspace: string, base: string) {
    this.page = page;
    this.#browser = browser;
    this.#server = server;
    this.#workspace = workspace;
    this.#base = base;
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.complaints.push(error.message));
  }

  /** `prepare` is given the folder of the workspace before anything opens it. */
  static async open(prepare?: (workspace: string) => void): Promise<CasementWindow> {
    const workspace = mkdtempSync(join(tmpdir(), "casement-e2e-"));
    prepare?.(workspace);
    process.env["CASEMENT_WORKSPACE"] = workspace;
    process.env["CASEMENTCTL"] ??= join(UI, "../target/debug/casementctl");
    const server = await preview({ root: UI, preview: { port: 0, strictPort: false } });
    const base = server.resolvedUrls?.local[0];
    if (base === undefined) throw new Error("the preview server has no address");
    const browser = await chromium.launch({
      executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
    const context = await browser.newContext({ viewport: SIZES[0], reducedMotion: "reduce", locale: "en-GB" });
    context.setDefaultTimeout(20_000);
    return new CasementWindow(await context.newPage(), browser, server, workspace, base);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.#server.close();
    rmSync(this.#workspace, { recursive: true, force: true });
  }

  /** Opens a place by its address, such as `/report/1`. */
  async go(path: string): Promise<void> {
    await this.page.goto(`${this.#base}#${path}`);
  }

  /** Calls the core past the window, as another process would. */
  async call<K extends keyof Commands & string>(command: K, request: Commands[K][0]): Promise<Commands[K][1]> {
    const response = await fetch(new URL("/__rpc", this.#base), {
      method: "POST",
      body: JSON.stringify({ command, request }),
    });
    const answer = (await response.json()) as { ok: Commands[K][1] } | { error: { message: string } };
    if ("error" in answer) throw new Error(`${command}: ${answer.error.message}`);
    return answer.ok;
  }

  /** Resolves when a job ended well; rejects with its error. */
  async finished(job: number): Promise<void> {
    const deadline = Date.now() + 45_000;
    for (;;) {
      const { state, error, title } = await this.call("job_get", { job });
      if (state === "done") return;
      if (state !== "running") throw new Error(`${title} ended as ${state}: ${error?.message ?? ""}`);
      if (Date.now() > deadline) throw new Error(`${title} still runs`);
      // A test outside the page hears no events: it asks.
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Photographs the page in light and dark, in the size that it has. */
  async photograph(name: string): Promise<void> {
    mkdirSync(SCREENSHOTS, { recursive: true });
    for (const theme of ["dark", "light"] as const) {
      await this.page.emulateMedia({ colorScheme: theme });
      await this.page.evaluate(twoFrames);
      await this.page.screenshot({ path: join(SCREENSHOTS, `${name}-${theme}.png`) });
    }
  }

  /** Photographs the page in light and dark, in both sizes, and returns what axe finds wrong in each theme. */
  async inspect(name: string): Promise<string[]> {
    mkdirSync(SCREENSHOTS, { recursive: true });
    const findings: string[] = [];
    for (const theme of ["light", "dark"] as const) {
      await this.page.emulateMedia({ colorScheme: theme });
      for (const size of SIZES) {
        await this.page.setViewportSize(size);
        await this.page.evaluate(twoFrames);
        await this.page.screenshot({ path: join(SCREENSHOTS, `${name}-${theme}-${size.width}x${size.height}.png`) });
      }
      // A mail's frame runs no scripts, axe's own included: waiting for its answer has no end.
      const { violations } = await new AxeBuilder({ page: this.page }).withTags(RULES).exclude("iframe").analyze();
      for (const violation of violations) {
        const where = violation.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ");
        findings.push(`${name}, ${theme}: ${violation.id} at ${where}`);
      }
    }
    await this.page.emulateMedia({ colorScheme: "light" });
    await this.page.setViewportSize(SIZES[0]);
    return findings;
  }
}

/** Waits until what was changed is drawn. */
function twoFrames(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())));
}
