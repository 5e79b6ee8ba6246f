/** The listener's state: counted over the real core, and the rare states over answers that are put in its place. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ListenerStatus, SendingStatus } from "../src/lib/bindings/api";
import { CasementWindow } from "./window";

let window: CasementWindow;

beforeAll(async () => {
  window = await CasementWindow.open();
  // A workspace that is set up: else every place leads to the first start.
  await window.call("settings_update", { unknown_policy: "none" });
});

afterAll(async () => {
  await window.close();
});

/** Sends bytes that are no request, as a scanner does, and waits for the end of the answer. */
async function knock(url: string, bytes: string): Promise<void> {
  const { hostname, port } = new URL(url);
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.end(bytes));
    socket.on("data", () => undefined).on("error", reject).on("close", () => resolve());
  });
}

/** Where the focus is, by the words that a screen reader says. */
function focused(): string {
  const at = document.activeElement;
  if (at === null || at === document.body) return "";
  const label = at instanceof HTMLInputElement ? at.labels?.[0]?.innerText : undefined;
  return (at.getAttribute("aria-label") ?? label ?? (at as HTMLElement).innerText).trim();
}

describe("the listener under Settings", () => {
  it("starts from the keyboard alone, and says a wrong address at its field", async () => {
    const { page } = window;
    await window.go("/settings/address");
    await page.getByText("Off", { exact: true }).waitFor();
    expect(await window.inspect("listener-off")).toEqual([]);
    await page.getByRole("radio", { name: /^None/ }).focus();
    await page.keyboard.press("Tab");
    expect(await page.evaluate(focused)).toContain("I have a domain");
    await page.keyboard.press("Tab");
    expect(await page.evaluate(focused)).toBe("Ports and proxy");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    expect(await page.evaluate(focused)).toContain("Answers at");
    await page.keyboard.type("127.0.0.1:0");
    await page.keyboard.press("Tab");
    await page.keyboard.type("0.0.0.0:4806");
    await page.keyboard.press("Enter");
    await page.getByText(/can be reached from other computers/).waitFor();
    expect(await window.inspect("listener-form")).toEqual([]);
    await page.keyboard.press("Control+a");
    await page.keyboard.press("Delete");
    await page.keyboard.press("Enter");
    await page.getByText("Listening", { exact: true }).waitFor();
    await page.getByText("Nothing was turned away.").waitFor();
    expect(await window.inspect("listener-on")).toEqual([]);
  });

  it("counts what it turned away, by reason, without being asked", async () => {
    const { page } = window;
    const { entrances, connections_limit } = await window.call("listener_status", {});
    const direct = entrances.find(({ behind_proxy }) => !behind_proxy);
    if (direct === undefined) throw new Error("the listener has no direct entrance");
    await knock(direct.url, "GET /wp-login.php HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await knock(direct.url, "GET /.env HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await page.getByText("2 requests, by reason").click();
    const { refused } = await window.call("listener_status", {});
    expect(refused).toMatchObject([{ reason: "unknown_path", n: 2 }]);
    const row = page.getByRole("row").filter({ hasText: refused[0]?.words ?? "" });
    expect(await row.getByRole("cell").last().innerText()).toBe("2");
    await page.getByText(`of ${connections_limit.toLocaleString("en-US")}`).waitFor();
    expect(await window.inspect("listener-refusals")).toEqual([]);
  });
});

describe("a button that reaches nobody", () => {
  it("is said on Home at once, without being asked", async () => {
    const { page } = window;
    const { entrances } = await window.call("listener_status", {});
    await window.go("/");
    await page.getByRole("heading", { level: 1, name: "Home" }).waitFor();
    // Of a mail that another workspace sent.
    await fetch(`${entrances[0]?.url ?? ""}/u/${"a".repeat(26)}`, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "List-Unsubscribe=One-Click",
    });
    await page.getByText(/^Once somebody pressed a button/).waitFor({ timeout: 2_000 });
    expect(await window.inspect("home-alarm")).toEqual([]);
  });
});

describe("what is rare", () => {
  const ALARM =
    "12 times somebody pressed a button (unsubscribe, or end recording) behind a link that belongs to nobody " +
    "here, last on 3 March 2026, 09:12 UTC. A few are cut-off links or crawlers. Many mean that mails carry " +
    "links of another or a lost workspace: those readers could not unsubscribe.";
  const PROBLEM = "The disk is full: 0 bytes are free where the workspace lies. Free some space; Casement goes on by itself.";

  /** Puts an answer in the core's place: what the core says is changed as `change` says. */
  async function pretend<T>(command: string, change: (answer: T) => T): Promise<void> {
    await window.page.route("**/__rpc", async (route) => {
      const asked = route.request().postDataJSON() as { command: string };
      if (asked.command !== command) return await route.fallback();
      const { ok } = (await (await route.fetch()).json()) as { ok: T };
      await route.fulfill({ json: { ok: change(ok) } });
    });
  }

  beforeAll(async () => {
    await pretend<ListenerStatus>("listener_status", (status) => ({
      ...status,
      address: { kind: "public", url: "https://news.riverside.example", meaning: "Mails carry a pixel, a link to end tracking, and one-click unsubscribe." },
      sentence: "Listening for pixels at the public address, for as long as this computer is on.",
      level: "reachable",
      connections: 412,
      hits_per_minute: 1_306,
      queue: 3,
      restarts: 3,
      spooled: 1_204,
      last_error: PROBLEM,
      alarm: ALARM,
      refused: [
        { reason: "malformed", words: "not readable as HTTP", n: 314 },
        { reason: "unknown_path", words: "an address that does not exist here", n: 12_087 },
        { reason: "slow", words: "not finished in time", n: 9 },
        { reason: "source_rate", words: "too many requests from one place", n: 41 },
        { reason: "unavailable", words: "could not be stored; the reader was asked to try again", n: 2 },
      ],
    }));
    await pretend<SendingStatus>("sending_status", (status) => ({ ...status, running: true, data_requests: 2 }));
  });

  afterAll(async () => {
    await window.page.unrouteAll({ behavior: "ignoreErrors" });
  });

  it("is said in Settings, and the table is open where readers may be in it", async () => {
    const { page } = window;
    await window.go("/settings/address");
    await page.reload();
    await page.getByText("1,204 requests wait on disk for the database").waitFor();
    await page.locator("main").getByText(PROBLEM).waitFor();
    await page.getByText("Some readers’ buttons reached nobody").waitFor();
    await page.getByText("started anew 3 times").waitFor();
    const total = page.getByRole("row").filter({ hasText: "In all" });
    expect(await total.getByRole("cell").last().innerText()).toBe("12,453");
    expect(await page.getByRole("alert").count(), "nothing is lost, so nothing is shouted").toBe(0);
    expect(await page.locator("main [aria-live], main [role=status]").count(), "no counter is read out by itself").toBe(0);
    expect(await window.inspect("listener-rare")).toEqual([]);
  });

  it("is said at the sidebar's foot and on Home, with a way to Settings", async () => {
    const { page } = window;
    await window.go("/");
    const running = page.getByRole("region", { name: "Running" });
    await running.getByText(PROBLEM).waitFor();
    await running.getByText("2 readers").waitFor();
    expect(await running.innerText()).toContain("wait for a copy of their data");
    expect(await window.inspect("home-notices")).toEqual([]);
    await page.getByRole("button", { name: /Can pixels reach us\? Reachable\. There is a problem/ }).click();
    await page.getByRole("heading", { name: "Reachable" }).waitFor();
    expect(await window.inspect("foot-notices")).toEqual([]);
    await page.keyboard.press("Escape");
    await running.getByRole("link", { name: "Listener settings" }).first().click();
    await page.getByRole("heading", { level: 2, name: "Listener" }).waitFor();
  });

  it("leaves Home once an alarm was seen, and stays in Settings", async () => {
    const { page } = window;
    await window.go("/");
    await page.getByRole("button", { name: "I have seen it" }).click();
    await page.getByText(ALARM).waitFor({ state: "detached" });
    await window.go("/settings/address");
    await page.getByText(ALARM).waitFor();
  });

  it("fits a narrow window and letters twice as large", async () => {
    const { page } = window;
    for (const [name, width, height] of [["tall", 1280, 1800], ["narrow", 700, 1800], ["200-percent", 640, 1900]] as const) {
      await page.setViewportSize({ width, height });
      for (const [place, path] of [["listener", "/settings/address"], ["home", "/"]] as const) {
        await window.go(path);
        await page.locator("main").getByText(PROBLEM).waitFor();
        await window.photograph(`${place}-rare-${name}`);
        const over = await page.evaluate(() => {
          const main = document.querySelector("main");
          return main === null ? 0 : main.scrollWidth - main.clientWidth;
        });
        expect(over, `${place} needs no scrolling sideways, ${name}`).toBe(0);
      }
    }
  });
});

describe("the console", () => {
  it("says nothing", () => {
    expect(window.complaints).toEqual([]);
  });
});
