/** The addresses of mails: what is typed before a launch, the table in Settings, and what is said before a change. */
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Routes } from "../src/lib/bindings/api";
import { Names } from "./names";
import { CasementWindow } from "./window";

const QUICK = "https://brave-red-fox-over-the-long-river.trycloudflare.com";
const HOST = "brave-red-fox-over-the-long-river.trycloudflare.com";
const OWN = "https://news.riverside-rowing.eu";

let window: CasementWindow;
let server: SMTPServer;
let names: Names;

async function draft(name: string, days: number): Promise<number> {
  const { id } = await window.call("campaign_create", {
    name, subject: name, account: "Server", audience: { include: ["Members"], exclude: [] }, preheader: "", postal_address: "",
    attachments: [], markdown: "The ice is gone from the upper lake.\n", window: { days },
  } as never);
  return id;
}

async function sent(id: number): Promise<void> {
  await window.call("sending_start", {});
  await expect.poll(async () => (await window.call("campaign_get", { id })).state, { timeout: 45_000 }).toBe("finished");
}

/** Where the focus is, in the words on the button. */
function focused(): string {
  return (document.activeElement as HTMLElement | null)?.innerText.trim() ?? "";
}

beforeAll(async () => {
  server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS", "AUTH"],
    onData: (stream, _, done) => {
      stream.resume();
      stream.on("end", () => done());
    },
  });
  server.on("error", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // These names are somebody's out there: nobody is to be asked for them.
  names = await Names.start({});
  process.env["CASEMENT_DNS"] = names.address;
  window = await CasementWindow.open();
  await window.call("settings_update", { unknown_policy: "none", organisation: "Riverside Rowing Club", postal_address: "1 Boathouse Lane" });
  await window.call("account_save", {
    name: "Server", kind: "smtp", host: "127.0.0.1", port: (server.server.address() as AddressInfo).port, tls: "none", user: "",
    from_name: "Riverside", from_address: "news@riverside.example", reply_to: "", per_second: 0, per_minute: 0, per_hour: 0,
    per_day: 0, per_domain: 0, connections: 1,
  });
  const { id } = await window.call("list_save", { name: "Members" });
  for (let n = 0; n < 3; n++) {
    await window.call("contact_save", { email: `m${n}@riverside.example`, first_name: "", last_name: "", fields: {}, lists: [id] });
  }
  await window.call("listener_start", { bind: "127.0.0.1:0" });
  await window.call("address_set", { url: QUICK, local: false });
}, 120_000);

afterAll(async () => {
  await window.close();
  names.stop();
  delete process.env["CASEMENT_DNS"];
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

describe("a launch", () => {
  it("with an address that may be gone soon asks for its host, by keyboard", async () => {
    const { page } = window;
    const id = await draft("Spring letter", 30);
    await window.go(`/launch/${id}`);
    const send = page.getByRole("button", { name: "Send to 3 people" });
    await send.waitFor();
    await page.getByText("Links and pixels in these mails work only while this computer is on.", { exact: false }).waitFor();
    expect(await page.locator('[data-finding="address_temporary"]').innerText()).toContain("Cloudflare");
    expect(await page.locator('[data-finding="only_while_on"]').count(), "said once, beside the address").toBe(0);
    expect(await send.isDisabled()).toBe(true);
    expect(await window.inspect("launch-typed-host")).toEqual([]);
    const field = page.getByLabel(`To send all the same, type ${HOST}`);
    await field.focus();
    await page.keyboard.type("trycloudflare.com");
    expect(await send.isDisabled()).toBe(true);
    await page.keyboard.press("Control+a");
    await page.keyboard.type(HOST);
    const seen = page.getByLabel(/^I have seen/);
    if (await seen.count()) await seen.check();
    expect(await send.isDisabled()).toBe(false);
    for (const [name, width, height] of [["narrow", 700, 1500], ["200-percent", 640, 1500]] as const) {
      await page.setViewportSize({ width, height });
      await window.photograph(`launch-typed-host-${name}`);
      const over = await page.evaluate(() => {
        const main = document.querySelector("main");
        return main === null ? 0 : main.scrollWidth - main.clientWidth;
      });
      expect(over, `no scrolling sideways, ${name}`).toBe(0);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    await send.click();
    await page.getByRole("heading", { level: 1, name: "Spring letter", exact: true }).waitFor();
    expect((await window.call("campaign_get", { id })).state).toBe("running");
  });

  it("for a later day asks for it, too, once it is known", async () => {
    const { page } = window;
    const id = await draft("Day letter", 1);
    await window.go(`/launch/${id}`);
    await page.getByRole("button", { name: "Send to 3 people" }).waitFor();
    expect(await page.getByLabel(/^To send all the same/).count(), "a day needs no typing").toBe(0);
    await page.getByRole("radio", { name: /At a time/ }).check();
    const later = new Date(Date.now() + 5 * 86_400_000).toISOString().slice(0, 10);
    await page.getByLabel("Day and time").fill(`${later}T09:00`);
    await page.getByLabel(/^I have seen/).check();
    await page.getByRole("button", { name: "Schedule for 3 people" }).click();
    const field = page.getByLabel(`To send all the same, type ${HOST}`);
    await field.waitFor();
    await field.fill(HOST);
    await page.getByRole("button", { name: "Schedule for 3 people" }).click();
    await page.getByRole("heading", { level: 1, name: "Day letter", exact: true }).waitFor();
    expect((await window.call("campaign_get", { id })).scheduled).toBe(true);
    await window.call("campaign_cancel", { id });
  });
});

describe("the table of addresses", () => {
  it("says what depends on each, and a change is asked about with the focus on keeping", async () => {
    const { page } = window;
    const { campaigns } = await window.call("campaign_list", {});
    const id = campaigns.find(({ name }) => name === "Spring letter")?.id;
    if (id === undefined) throw new Error("the campaign was launched before");
    await window.go("/settings/address");
    await page.getByRole("heading", { level: 2, name: "Addresses in your mails" }).waitFor();
    // During the delay of a launch its mails wait.
    await sent(id);
    const row = page.getByRole("row").filter({ hasText: QUICK });
    await row.getByText("in 1 campaign").waitFor();
    expect(await row.innerText()).toContain("For a while");
    expect(await window.inspect("routes-one")).toEqual([]);

    await page.getByRole("textbox", { name: "Public address" }).fill(OWN);
    await page.getByRole("button", { name: "Carry this address" }).click();
    const dialog = page.getByRole("dialog", { name: "Carry another address from now on?" });
    await dialog.getByText(/^3 mails of 1 campaign still point to/).waitFor();
    expect(await page.evaluate(focused)).toBe("Keep it as it is");
    expect(await window.inspect("address-change")).toEqual([]);
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "detached" });
    expect((await window.call("address_show", {})).url).toBe(QUICK);

    await page.getByRole("button", { name: "Carry this address" }).click();
    await dialog.getByRole("button", { name: "Change it" }).click();
    await page.getByRole("row").filter({ hasText: OWN }).getByText("New mails").waitFor();
    expect((await window.call("address_show", {})).url).toBe(OWN);
    await row.getByText("in 1 campaign").waitFor();
    expect(await window.inspect("routes-two")).toEqual([]);
  }, 120_000);

  it("asks nothing where no mail depends on the address", async () => {
    const { page } = window;
    await page.getByRole("textbox", { name: "Public address" }).fill("https://other.riverside-rowing.eu");
    await page.getByRole("button", { name: "Carry this address" }).click();
    await page.getByRole("row").filter({ hasText: "https://other.riverside-rowing.eu" }).waitFor();
    expect(await page.getByRole("dialog").count()).toBe(0);
  });

  it("fits many addresses, a narrow window and letters twice as large", async () => {
    const { page } = window;
    const at = new Date(Date.now() - 7_200_000).toISOString();
    await page.route("**/__rpc", async (route) => {
      const asked = route.request().postDataJSON() as { command: string };
      if (asked.command !== "routes_get") return await route.fallback();
      const { ok } = (await (await route.fetch()).json()) as { ok: Routes };
      const [own, quick] = ok.routes;
      if (own === undefined || quick === undefined) throw new Error("two addresses were used");
      const probe = {
        url: OWN, at, verdict: "ok", sentence: "This Casement answered.", advice: null, latency_ms: 84,
        certificate_until: new Date(Date.now() + 40 * 86_400_000).toISOString(),
      } as const;
      const routes: Routes["routes"] = [
        { ...own, url: OWN, messages: 121_204, live_messages: 1_204, live_campaigns: 2, until: new Date(Date.now() + 9 * 86_400_000).toISOString(), waiting: 812, opens_last_day: 314, probe, last_good: at },
        { ...quick, messages: 18, probe: { ...probe, url: QUICK, verdict: "name", sentence: "The name is not known.", certificate_until: null } },
        { ...own, current: false, url: "https://laptop.tail0123.ts.net", permanence: "lent", lasts: "laptop.tail0123.ts.net is a name that Tailscale lends you: it lasts as long as your account there does.", messages: 903 },
        { ...own, current: false, kind: "none", permanence: null, url: "", messages: 44 },
        { ...own, current: false, tried_out: true, permanence: "temporary", kind: "local", url: "http://127.0.0.1:4805", lasts: "127.0.0.1 is this computer itself, which nobody else can reach.", messages: 2 },
      ];
      await route.fulfill({ json: { ok: { routes } } });
    });
    await page.reload();
    await page.getByText("812 more mails will carry it.").waitFor();
    expect(await window.inspect("routes-many")).toEqual([]);
    for (const [name, width, height] of [["tall", 1280, 1800], ["narrow", 700, 2200], ["200-percent", 640, 2200]] as const) {
      await page.setViewportSize({ width, height });
      await window.photograph(`routes-many-${name}`);
      const over = await page.evaluate(() => {
        const main = document.querySelector("main");
        return main === null ? 0 : main.scrollWidth - main.clientWidth;
      });
      expect(over, `no scrolling sideways, ${name}`).toBe(0);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.unrouteAll({ behavior: "ignoreErrors" });
  });
});

describe("a campaign without an address", () => {
  it("says before its launch that nothing is measured", async () => {
    const { page } = window;
    await window.call("address_set", { url: null, local: false });
    const id = await draft("Plain letter", 30);
    await window.go(`/launch/${id}`);
    await page.getByText("so nothing comes back from them", { exact: false }).waitFor();
    expect(await page.locator('[data-finding="no_address"]').innerText()).toContain("Opens will not be measured");
    expect(await page.getByText("only while this computer is on").count()).toBe(0);
    expect(await window.inspect("launch-no-address")).toEqual([]);
  });
});

describe("the console", () => {
  it("says nothing", () => {
    expect(window.complaints).toEqual([]);
  });
});
