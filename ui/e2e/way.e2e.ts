/** The ways to this computer: chosen by what one has, set up step by step over the real core, a real sshd and stand-ins. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Route } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AddressPreviewed, Tunnel } from "../src/lib/bindings/api";
import { freePort, Sshd } from "./sshd";
import { CasementWindow } from "./window";

let window: CasementWindow;
let folder: string;
const before = { PATH: process.env["PATH"], XDG_CONFIG_HOME: process.env["XDG_CONFIG_HOME"] };

/** Writes a program of /bin/sh, in a folder whose name has a space. */
function script(name: string, body: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}

beforeAll(async () => {
  folder = join(mkdtempSync(join(tmpdir(), "casement-way-")), "my programs");
  mkdirSync(folder);
  script("cloudflared", 'case "$1" in --version) echo "cloudflared version 2025.9.1";; *) echo "Provided Tunnel token is not valid." >&2; exit 1;; esac');
  process.env["PATH"] = `${folder}:${before.PATH ?? ""}`;
  process.env["XDG_CONFIG_HOME"] = join(folder, "config");
  window = await CasementWindow.open();
  // A workspace that is set up: else every place leads to the first start.
  await window.call("settings_update", { unknown_policy: "none" });
  await window.call("listener_start", { bind: "127.0.0.1:0" });
});

afterAll(async () => {
  await window.close();
  Object.assign(process.env, before);
  if (before.XDG_CONFIG_HOME === undefined) delete process.env["XDG_CONFIG_HOME"];
  rmSync(join(folder, ".."), { recursive: true, force: true });
});

/** The part of the page that shows how the way is. */
function state(): ReturnType<CasementWindow["page"]["getByRole"]> {
  return window.page.getByRole("region", { name: "State of the way" });
}

describe("which way", () => {
  it("is found by what one has, from the keyboard alone", async () => {
    const { page } = window;
    await window.go("/settings/address");
    await page.getByRole("heading", { name: "The way to this computer" }).scrollIntoViewIfNeeded();
    expect(await page.getByRole("region", { name: "Ways that fit" }).count(), "nothing is chosen for anybody").toBe(0);
    expect(await window.inspect("way-none")).toEqual([]);
    await page.getByRole("radio", { name: /^I have a domain/ }).focus();
    await page.keyboard.press("Space");
    const fits = page.getByRole("region", { name: "Ways that fit" });
    await fits.getByRole("link", { name: /Cloudflare holds the line/ }).waitFor();
    expect(await window.inspect("way-domain")).toEqual([]);
    await page.keyboard.press("ArrowRight");
    await fits.getByRole("link", { name: /Your server hands readers on/ }).waitFor();
    expect(await window.inspect("way-server")).toEqual([]);
    await page.keyboard.press("ArrowRight");
    await fits.getByText("Send without a public address").waitFor();
    await fits.scrollIntoViewIfNeeded();
    expect(await window.inspect("way-neither")).toEqual([]);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Another program" }).waitFor();
    await page.getByRole("list", { name: /each word/ }).getByText("tailscale", { exact: true }).waitFor();
    expect(await page.getByLabel("Command line").inputValue()).toBe("tailscale funnel {port}");
    await page.getByRole("link", { name: "Back to Public address" }).click();
    await page.getByRole("heading", { name: "The way to this computer" }).waitFor();
  });

  it("is said where the page's address names none", async () => {
    await window.go("/settings/address/carrier-pigeon");
    await window.page.getByText("There is no such way").waitFor();
    expect(await window.inspect("way-unknown")).toEqual([]);
  });
});

describe("a web server on this computer", () => {
  it("gets lines with its name, and mails carry the address", async () => {
    const { page } = window;
    const port = await freePort();
    await window.go("/settings/address/proxy");
    await page.getByText("The lines appear here once the public address above is filled in.").waitFor();
    expect(await window.inspect("way-proxy-empty")).toEqual([]);

    await page.getByRole("textbox", { name: "Public address" }).fill("http://news.example.org");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByRole("alert").first().waitFor();
    expect(await page.getByRole("textbox", { name: "Public address" }).getAttribute("aria-invalid")).toBe("true");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-invalid")), "what is wrong has the focus").toBe("true");
    expect(await window.inspect("way-proxy-wrong")).toEqual([]);

    await page.getByRole("textbox", { name: "Public address" }).fill("news.example.org");
    await page.getByText("Port on this computer").click();
    await page.getByLabel("Port", { exact: true }).fill(String(port));
    await page.getByLabel("Port", { exact: true }).press("Tab");
    const lines = page.locator("pre").filter({ hasText: `reverse_proxy 127.0.0.1:${port}` });
    await lines.waitFor();
    expect(await lines.innerText()).toBe(`news.example.org {\n    reverse_proxy 127.0.0.1:${port}\n}`);
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: /^Copy the lines for: At the end of the file Caddyfile/ }).click();
    await page.getByText("Copied.").waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(await lines.innerText());
    await page.getByText("You use nginx?").click();
    await page.getByText("proxy_set_header X-Forwarded-For $remote_addr;").waitFor();
    await lines.scrollIntoViewIfNeeded();
    expect(await window.inspect("way-proxy-lines")).toEqual([]);

    await page.getByRole("button", { name: "Save", exact: true }).click();
    await state().getByText("Listening", { exact: true }).waitFor();
    expect((await window.call("tunnel_show", {})).chosen).toMatchObject({ way: { kind: "proxy", url: "https://news.example.org" }, port });
    await state().getByRole("button", { name: "Mails carry this address from now on" }).click();
    await state().getByText("Mails carry this address.").waitFor();
    expect((await window.call("listener_status", {})).address).toMatchObject({ kind: "public", url: "https://news.example.org" });
    await state().scrollIntoViewIfNeeded();
    expect(await window.inspect("way-proxy-ready")).toEqual([]);
  });
});

describe("a program of one's own", () => {
  it("says what is wrong at its field", async () => {
    const { page } = window;
    await window.go("/settings/address/command");
    await page.getByRole("button", { name: "zrok" }).click();
    await page.getByText(/The free tier lets 25 readers through/).waitFor();
    const line = page.getByLabel("Command line");
    await line.fill(`"${folder}/tunnel --port {port}`);
    await page.getByRole("button", { name: "Save and connect" }).click();
    await page.getByText("is opened and not closed").waitFor();
    expect(await page.evaluate(() => document.activeElement?.tagName), "what is wrong has the focus").toBe("TEXTAREA");
    await line.fill("");
    await page.getByRole("button", { name: "Save and connect" }).click();
    await page.getByText("Name the program and its arguments.").waitFor();
    await line.fill("my-tunnel --token=abc {port} > log.txt");
    await page.getByText("No shell reads this line").waitFor();
    await page.getByRole("button", { name: "Save and connect" }).click();
    await page.getByText(/would show a secret/).waitFor();
    await page.getByText(/would show a secret/).scrollIntoViewIfNeeded();
    expect(await window.inspect("way-command-wrong")).toEqual([]);
    await line.fill("my-tunnel {port}");
    await page.getByText("Stands in what the program says").click();
    await page.getByLabel("How the address looks").fill("* and *");
    await page.getByRole("button", { name: "Save and connect" }).click();
    await page.getByText(/must be an address with one \*/).waitFor();
    expect(await page.getByLabel("How the address looks").getAttribute("aria-invalid")).toBe("true");
    expect((await window.call("tunnel_show", {})).chosen?.way.kind, "nothing of it was kept").toBe("proxy");
  });

  it("is started with the port, connects, and is stopped and started again", async () => {
    const { page } = window;
    const port = await freePort();
    const program = script("tunnel", `echo "started for $1 as $2"; echo "your address: https://blue-tea.example.app"; echo "\u202Eback to front"; exec sleep 1000`);
    await page.getByLabel("Command line").fill(`"${program}" {port} 'Ana and friends'`);
    const words = page.getByRole("list", { name: /each word/ });
    await page.getByText("Port and header").click();
    await page.getByLabel("Port on this computer").fill(String(port));
    await page.getByLabel("Port on this computer").press("Tab");
    expect(await words.getByRole("listitem").allInnerTexts()).toEqual([program, String(port), "Ana and friends"]);
    await page.getByLabel("How the address looks").fill("https://*.example.app");
    await page.getByLabel("How the address looks").scrollIntoViewIfNeeded();
    expect(await window.inspect("way-command-form")).toEqual([]);
    await page.getByText("It takes the place of the way that you have now.").waitFor();
    await page.getByRole("button", { name: "Save and connect" }).click();
    await state().locator("strong").getByText(/^Connected/).waitFor();
    await state().getByText("https://blue-tea.example.app", { exact: true }).waitFor();
    await state().getByText("Temporary").waitFor();
    await state().getByText("What the program said last").click();
    await state().getByText(/^Its last \d+ lines$/).click();
    await state().getByText(`started for ${port} as Ana and friends`).waitFor();
    await state().getByText("⟨U+202E⟩back to front").first().waitFor();
    // Told anew, what is read stays open: looked at once the window has drawn it.
    const told = page.waitForResponse((response) => response.request().postData()?.includes('"tunnel_show"') ?? false);
    await window.call("tunnel_up", {});
    await told;
    await state().scrollIntoViewIfNeeded();
    expect(await window.inspect("way-command-connected")).toEqual([]);
    expect(await state().getByText("⟨U+202E⟩back to front").first().isVisible()).toBe(true);

    await state().getByRole("button", { name: "Stop" }).press("Enter");
    await state().getByText("Off", { exact: true }).waitFor();
    expect(await page.evaluate(() => document.activeElement?.textContent?.trim()), "the focus stays on the button").toBe("Start");
    expect(await state().getByRole("status").innerText()).toBe("The way is off.");
    await window.go("/settings/address");
    await state().getByText("Off", { exact: true }).waitFor();
    await state().scrollIntoViewIfNeeded();
    expect(await window.inspect("way-off")).toEqual([]);
    await state().getByRole("button", { name: "Start" }).click();
    await state().locator("strong").getByText(/^Connected/).waitFor();
    await state().scrollIntoViewIfNeeded();
    expect(await window.inspect("way-connected")).toEqual([]);
  });

  it("that ends at once is tried again, and shows its last words", async () => {
    const { page } = window;
    await window.go("/settings/address");
    const { chosen } = await window.call("tunnel_show", {});
    const program = script("broken", 'echo "the cat sat on the cable" >&2; exit 3');
    if (chosen?.way.kind !== "command") throw new Error("the way of before is there");
    await window.call("tunnel_save", { way: { ...chosen.way, argv: [program] }, port: chosen.port, use_address: false });
    await state().getByText("Waiting to try again").waitFor();
    await state().locator("pre").getByText("the cat sat on the cable").first().waitFor();
    expect(await window.inspect("way-trying")).toEqual([]);
    await state().getByRole("button", { name: "Stop" }).click();
    await state().getByText("Off", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Remove…" }).click();
    await page.getByRole("button", { name: "Keep it" }).click();
    expect((await window.call("tunnel_show", {})).chosen).not.toBeNull();
  });
});

describe("a server of one's own", () => {
  let sshd: Sshd;

  beforeAll(async () => {
    sshd = await Sshd.start();
  });

  afterAll(() => sshd.stop());

  it("lets this computer in by the lines that are shown, once its own key was compared", async () => {
    const { page } = window;
    const [port, serverPort] = [await freePort(), await freePort()];
    await window.go("/settings/address/ssh");
    await page.getByText("ssh is on this computer").waitFor();
    await page.getByText("The lines appear here once your server is filled in above.").first().waitFor();
    expect(await window.inspect("way-ssh-empty")).toEqual([]);
    await page.getByRole("textbox", { name: "Public address" }).fill("news.example.org");
    await page.getByLabel("Server", { exact: true }).fill("127.0.0.1");
    await page.getByText("Ports, user and key").click();
    for (const [label, value] of [
      ["The server’s port for ssh", sshd.port],
      ["Port on the server that leads here", serverPort],
      ["Port on this computer", port],
    ] as const) {
      await page.getByLabel(label).fill(String(value));
      await page.getByLabel(label).press("Tab");
    }
    await page.getByLabel("User on the server").fill(`${sshd.user}; reboot`);
    await page.getByText(/is no user's name/).waitFor();
    await page.getByLabel("User on the server").fill(sshd.user);
    const login = page.locator("pre").filter({ hasText: `permitlisten="127.0.0.1:${serverPort}"` });
    await login.waitFor();
    await page.locator("pre").filter({ hasText: "ClientAliveInterval 5" }).waitFor();
    await login.scrollIntoViewIfNeeded();
    expect(await window.inspect("way-ssh-lines")).toEqual([]);
    const line = (await login.innerText()).split("\n").find((text) => text.startsWith("restrict,"));
    sshd.allow(line ?? "");
    await page.getByText("Only this computer’s key").click();
    expect(line).toContain(await page.locator("pre").filter({ hasText: /^ssh-ed25519 / }).innerText());

    await page.getByRole("button", { name: "Save and connect" }).click();
    await page.getByText("The server's own key is missing").waitFor();
    await page.getByRole("button", { name: "Read the server’s key" }).click();
    await page.getByText(sshd.fingerprint(), { exact: true }).waitFor();
    await page.getByText("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").waitFor();
    await page.getByRole("button", { name: "They differ" }).scrollIntoViewIfNeeded();
    expect(await window.inspect("way-ssh-key")).toEqual([]);
    await page.getByRole("button", { name: "They differ" }).click();
    await page.getByText("Then this is not your server").waitFor();
    await page.getByRole("button", { name: "Read the server’s key" }).click();
    await page.getByRole("button", { name: "They are the same" }).press("Enter");
    await page.getByText("connects to no other").waitFor();
    expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")), "the keyboard stays at this step").toBe("The server’s key");

    await page.getByRole("button", { name: "Save and connect" }).click();
    await state().locator("strong").getByText(/^Connected/).waitFor();
    await state().getByText("Your own", { exact: true }).waitFor();
    await state().scrollIntoViewIfNeeded();
    expect(await window.inspect("way-ssh-connected")).toEqual([]);
    // What the web server on that server would ask for comes in here.
    const answer = await fetch(`http://127.0.0.1:${serverPort}/o/${"a".repeat(26)}.gif`, { headers: { "x-forwarded-for": "192.0.2.7" } });
    expect(answer.headers.get("content-type")).toBe("image/gif");
  });

  it("is not believed under another name without being compared again", async () => {
    const { page } = window;
    await window.go("/settings/address");
    await page.getByRole("link", { name: "See its steps" }).click();
    await page.getByText("connects to no other").waitFor();
    await page.getByLabel("Server", { exact: true }).fill("localhost");
    await page.getByRole("button", { name: "Read the server’s key" }).waitFor();
  });

  it("that is away is said, with what ssh said", async () => {
    const { page } = window;
    await window.go("/settings/address");
    sshd.stop();
    const { chosen } = await window.call("tunnel_show", {});
    if (chosen?.way.kind !== "ssh") throw new Error("the way of before is there");
    await window.call("tunnel_save", { way: { ...chosen.way, port: await freePort() }, port: chosen.port, use_address: false });
    await state().getByText("The server does not answer. It is tried again.").waitFor();
    await state().locator("pre").getByText(/Connection refused/).first().waitFor();
    await state().scrollIntoViewIfNeeded();
    expect(await window.inspect("way-ssh-away")).toEqual([]);
    await page.getByRole("button", { name: "Stop" }).first().waitFor();
  });
});

describe("Cloudflare", () => {
  const TOKEN = "eyJhIjoiNThmMmQ2In0";

  it("is given a token, which is never shown again", async () => {
    const { page } = window;
    await window.go("/settings/address/cloudflare");
    await page.getByText("cloudflared version 2025.9.1").waitFor();
    await page.getByText("http://127.0.0.1:").first().waitFor();
    expect(await window.inspect("way-cloudflare")).toEqual([]);
    await page.getByRole("textbox", { name: "Public address" }).fill("https://news.example.org");
    await page.getByRole("button", { name: "Save and connect" }).click();
    await page.getByText("Paste the tunnel's token.").waitFor();
    await page.getByLabel("Token").fill(TOKEN);
    await page.getByRole("button", { name: "Save and connect" }).click();
    await state().getByText("Needs you").waitFor();
    await state().getByText(/key or token was not accepted/).waitFor();
    await state().locator("pre").getByText("Provided Tunnel token is not valid.").first().waitFor();
    expect(await page.getByLabel("New token").inputValue()).toBe("");
    expect(await page.content()).not.toContain(TOKEN);
    expect(JSON.stringify(await window.call("tunnel_show", {}))).not.toContain(TOKEN);
    await state().scrollIntoViewIfNeeded();
    expect(await window.inspect("way-cloudflare-refused")).toEqual([]);
  });

  it("warns of a quick tunnel, and says which program is missing", async () => {
    const { page } = window;
    await window.go("/settings/address/quick");
    await page.getByText("For trying out, with mails to yourself.").waitFor();
    await page.getByText("Take another file").click();
    await page.getByLabel("File of cloudflared").fill("/no/such/program");
    await page.getByRole("button", { name: "Save and connect" }).click();
    await page.getByText("/no/such/program is no program that can be run.").waitFor();
    expect(await window.inspect("way-quick")).toEqual([]);
  });
});

describe("what is rare", () => {
  const LONG = "https://newsletter-of-the-riverside-rowing-club-and-its-friends.a-very-long-name-of-a-computer.tail1234.ts.net:8443";
  let change: Partial<Tunnel> = {};

  beforeAll(async () => {
    await window.page.route("**/__rpc", async (route) => {
      const asked = route.request().postDataJSON() as { command: string };
      if (asked.command !== "tunnel_show") return await route.fallback();
      const { ok } = (await (await route.fetch()).json()) as { ok: Tunnel };
      await route.fulfill({ json: { ok: { ...ok, ...change } } });
    });
  });

  afterAll(async () => {
    await window.page.unrouteAll({ behavior: "ignoreErrors" });
  });

  const show = async (next: Partial<Tunnel>): Promise<void> => {
    change = next;
    await window.go("/settings/address");
    await window.page.reload();
  };

  it("counts a pause down in sight, and says nothing aloud of it", async () => {
    await show({
      state: "backoff",
      sentence: "The connection broke. It is made anew.",
      trouble: "lost",
      url: "https://news.example.org",
      permanence: "own",
      again_in: 42,
      starts: 12,
      last_words: "client_loop: send disconnect: Broken pipe שלום \u202Eabc",
      lines: [],
    });
    await state().getByText(/next try in 4[0-2] seconds/).waitFor();
    const spoken = await state().getByRole("status").innerText();
    await state().getByText(/next try in 3\d seconds/).waitFor();
    expect(await state().getByRole("status").innerText()).toBe(spoken);
    expect(spoken, "a number that runs is not read out").not.toMatch(/\d/);
    await state().scrollIntoViewIfNeeded();
    expect(await window.inspect("way-pause")).toEqual([]);
  });

  it("shows a lent address that is long, and how fast it answers", async () => {
    await show({ state: "live", sentence: `Readers reach this computer at ${LONG}.`, trouble: null, url: LONG, permanence: "lent", latency: 84, again_in: null, starts: 3, last_words: null, lines: [] });
    await state().getByText("84 ms").waitFor();
    await state().getByText("Lent", { exact: true }).waitFor();
    await state().scrollIntoViewIfNeeded();
    expect(await window.inspect("way-live")).toEqual([]);
  });

  it("says that the way cannot be asked, and leaves the rest of the page", async () => {
    const { page } = window;
    const refuse = async (route: Route): Promise<void> => {
      if ((route.request().postDataJSON() as { command: string }).command !== "tunnel_show") return await route.fallback();
      await route.fulfill({ json: { error: { code: "storage", message: "the disk is full" } } });
    };
    await page.route("**/__rpc", refuse);
    await window.go("/settings/address");
    await page.reload();
    await page.getByText("The way cannot be asked.").waitFor();
    await page.getByText("The disk is full.").waitFor();
    await page.getByRole("heading", { name: "Listener" }).waitFor();
    await page.getByText("The way cannot be asked.").scrollIntoViewIfNeeded();
    expect(await window.inspect("way-error")).toEqual([]);
    await page.unroute("**/__rpc", refuse);
    await page.getByRole("button", { name: "Ask again" }).click();
    await state().waitFor();
  });

  it("fits a narrow window, letters twice as large, and a script from right to left", async () => {
    const { page } = window;
    for (const [name, width, height] of [["narrow", 700, 1600], ["200-percent", 640, 1800], ["400-percent", 360, 1800]] as const) {
      for (const [place, path] of [["live", "/settings/address"], ["ssh", "/settings/address/ssh"], ["command", "/settings/address/command"]] as const) {
        await page.setViewportSize({ width, height });
        await window.go(path);
        await page.getByText(place === "live" ? "The way to this computer" : "Save and connect").first().waitFor();
        if (place === "live") {
          await page.getByRole("button", { name: "Choose another way" }).click();
          await page.getByRole("radio", { name: /^I have a domain/ }).click();
        }
        await window.photograph(`way-${place}-${name}`);
        const over = await page.evaluate(() => {
          const main = document.querySelector("main");
          return main === null ? 0 : main.scrollWidth - main.clientWidth;
        });
        expect(over, `${place} needs no scrolling sideways, ${name}`).toBe(0);
        if (place === "live") await page.reload();
      }
    }
    await page.setViewportSize({ width: 1024, height: 1400 });
    await page.evaluate(() => (document.documentElement.dir = "rtl"));
    await window.photograph("way-command-rtl");
    await window.go("/settings/address/ssh");
    await page.getByText("Save and connect").first().waitFor();
    await window.photograph("way-ssh-rtl");
    await page.evaluate(() => (document.documentElement.dir = "ltr"));
    await page.setViewportSize({ width: 1280, height: 800 });
  });
});

describe("a way", () => {
  it("is removed when that is asked for twice", async () => {
    const { page } = window;
    await window.go("/settings/address");
    await page.reload();
    await page.getByRole("button", { name: "Remove…" }).click();
    await page.getByText("lead nowhere until a way leads there again").waitFor();
    expect(await window.inspect("way-remove")).toEqual([]);
    await page.getByRole("button", { name: "Remove the way" }).click();
    await page.getByRole("radio", { name: /^I have a domain/ }).waitFor();
    expect((await window.call("tunnel_show", {})).chosen).toBeNull();
    await page.getByRole("radio", { name: /^Neither/ }).click();
    // Where mails depend on the address, that is said first.
    const depend = async (route: Route): Promise<void> => {
      if ((route.request().postDataJSON() as { command: string }).command !== "address_preview") return await route.fallback();
      const { ok } = (await (await route.fetch()).json()) as { ok: AddressPreviewed };
      await route.fulfill({ json: { ok: { ...ok, ask: true, live_messages: 3, keeps: ["3 mails of “Spring” go on naming https://news.example.org."] } } });
    };
    await page.route("**/__rpc", depend);
    await page.getByRole("button", { name: "Carry no address" }).click();
    await page.getByText("3 mails of “Spring” go on naming").waitFor();
    await page.getByRole("button", { name: "Keep it as it is" }).click();
    expect((await window.call("listener_status", {})).address.kind).toBe("public");
    await page.getByRole("button", { name: "Carry no address" }).click();
    await page.getByRole("button", { name: "Carry none" }).click();
    await page.unroute("**/__rpc", depend);
    await page.getByText("That is how it is now.").waitFor();
    expect((await window.call("listener_status", {})).address.kind).toBe("none");
  });
});

describe("the console", () => {
  it("says nothing", () => {
    expect(window.complaints).toEqual([]);
  });
});
