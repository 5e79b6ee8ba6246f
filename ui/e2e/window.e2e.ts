/** First start → sample data → report → one recipient's timeline, and every place for all who use it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CasementWindow } from "./window";

let window: CasementWindow;

beforeAll(async () => {
  window = await CasementWindow.open();
});

afterAll(async () => {
  await window.close();
});

async function reportedCampaign(): Promise<number> {
  const { campaigns } = await window.call("campaign_list", {});
  const found = campaigns.find((campaign) => (campaign.rate?.confirmed ?? 0) > 0);
  if (found === undefined) throw new Error("no sample campaign was opened by anyone");
  return found.id;
}

async function newestActivity(): Promise<{ id: number; text: string }> {
  const { rows } = await window.call("activity_list", { limit: 1 });
  return rows[0] ?? { id: 0, text: "" };
}

describe("the first start", () => {
  it("offers sample data, and fills the workspace with it", async () => {
    const { page } = window;
    await window.go("/");
    await page.getByRole("button", { name: /sample data/i }).first().waitFor();
    expect(await window.inspect("welcome")).toEqual([]);
    await page.getByRole("button", { name: /sample data/i }).first().click();
    await page.waitForFunction(() => !location.hash.startsWith("#/welcome"), undefined, { timeout: 60_000 });
    const { campaigns } = await window.call("campaign_list", {});
    expect(campaigns.filter((campaign) => campaign.sample).length, "sample campaigns are marked").toBeGreaterThan(0);
  }, 90_000);
});

describe("the report", () => {
  it("shows the core's range and its parts, never one bare number", async () => {
    const { page } = window;
    const id = await reportedCampaign();
    const report = await window.call("report_get", { id });
    await window.go(`/report/${id}`);
    await page.getByRole("heading", { level: 1, name: report.name }).waitFor();
    const text = (await page.getByRole("region", { name: "Opened by" }).innerText()).replaceAll(",", "");
    for (const [n, part] of [
      [report.confirmed, "confirmed"],
      [report.unknown, "unknown"],
      [report.machine_only, "by machines only"],
      [report.no_signal, "no signal"],
    ] as const) {
      expect(text, `the window shows the core's number of ${part}`).toContain(`${n} ${part}`);
    }
    expect(text).toContain(`${report.tracked} could be measured of ${report.accepted} accepted`);
    expect(await window.inspect("report")).toEqual([]);
  });

  it("draws the core's looks over time, from the launch on, and tells them as a table", async () => {
    const { page } = window;
    const id = await reportedCampaign();
    const { points } = await window.call("report_series", { id });
    const { launched_at } = await window.call("report_get", { id });
    const chart = page.getByRole("group", { name: "Looks over time", exact: true });
    await chart.getByText("Show as a table").click();
    const cells = await chart.getByRole("row").locator("td:first-of-type").allInnerTexts();
    const shown = cells.reduce((sum, cell) => sum + Number(cell.replaceAll(",", "")), 0);
    expect(shown).toBe(points.reduce((sum, point) => sum + point.human, 0));
    const first = Date.parse(points[0]?.at ?? "");
    expect(first, "a point is not before the hour of the launch").toBeGreaterThan(Date.parse(launched_at ?? "") - 3_600_000);
    await chart.getByText("Show as a table").click();
  });

  it("filters its recipients by a part of the range", async () => {
    const { page } = window;
    const { confirmed } = await window.call("report_get", { id: await reportedCampaign() });
    await page.getByRole("button", { name: /confirmed$/ }).click();
    await page.waitForFunction(
      (rows) => document.querySelector("[role=grid]")?.getAttribute("aria-rowcount") === String(rows),
      confirmed + 1,
    );
    const states = await page.getByRole("grid", { name: "Recipients" }).locator(".state").allInnerTexts();
    expect(new Set(states.map((state) => state.trim())), "only people who opened are left").toEqual(new Set(["opened"]));
  });

  it("opens a recipient's timeline by keyboard, and moves on with the drawer open", async () => {
    const { page } = window;
    await page.getByRole("grid", { name: "Recipients" }).focus();
    await page.keyboard.press("Enter");
    const drawer = page.getByRole("complementary", { name: "Timeline of one recipient" });
    await drawer.getByRole("listitem").first().waitFor();
    expect(await drawer.getByRole("listitem").count(), "queued, accepted and a look at least").toBeGreaterThan(1);
    expect(await window.inspect("timeline")).toEqual([]);
    const first = await drawer.getByRole("heading", { level: 2 }).innerText();
    await page.keyboard.press("ArrowDown");
    await page.waitForFunction((name) => document.querySelector("aside h2")?.textContent !== name, first);
    await page.keyboard.press("Escape");
    await drawer.waitFor({ state: "detached" });
  });
});

describe("correcting a verdict", () => {
  async function confirmed(id: number): Promise<number> {
    return (await window.call("report_get", { id })).confirmed;
  }

  it("takes a look for a machine's by keyboard, says so, and undoes it", async () => {
    const { page } = window;
    const id = await reportedCampaign();
    const { recipients } = await window.call("report_recipients", { id, filter: "human", search: "", sort: "email", descending: false, offset: 0, limit: 50 });
    const one = recipients.find((row) => row.looks === 1);
    if (one === undefined) throw new Error("nobody looked only once");
    const { entries } = await window.call("message_timeline", { id: one.message });
    const look = entries.findIndex((entry) => entry.counted);
    const before = await confirmed(id);
    await window.go(`/report/${id}?message=${one.message}`);
    const drawer = page.getByRole("complementary", { name: "Timeline of one recipient" });
    const row = drawer.getByRole("listitem").nth(look);
    await row.getByRole("button", { name: /^Say what the look at/ }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("menuitem", { name: "This was a machine" }).waitFor();
    expect(await window.inspect("relabel")).toEqual([]);
    await page.getByRole("menuitem", { name: "This was a machine" }).focus();
    await page.keyboard.press("Enter");
    const notice = page.getByRole("status").filter({ hasText: "This look counts as a machine’s now." });
    await notice.waitFor();
    await row.getByText("You said that this was a machine.").waitFor();
    expect(await confirmed(id), "whoever looked only once is confirmed no more").toBe(before - 1);
    await page.waitForFunction(
      () => document.activeElement?.getAttribute("aria-label")?.startsWith("Say what the look at") ?? false,
    );
    expect(await window.inspect("relabelled")).toEqual([]);
    await notice.getByRole("button", { name: "Undo" }).click();
    await row.getByText("You said that this was a machine.").waitFor({ state: "detached" });
    expect(await confirmed(id), "and is again").toBe(before);
    expect((await window.call("label_list", {})).labels).toEqual([]);
  });

  it("lists what was said, and takes it back", async () => {
    const { page } = window;
    const id = await reportedCampaign();
    await window.call("label_set", { kind: "domain", value: "example.org", says: "machine" });
    await window.go(`/report/${id}`);
    await page.getByRole("button", { name: "More for this report" }).click();
    await page.getByRole("menuitem", { name: "Your corrections…" }).click();
    const list = page.getByRole("dialog", { name: "Your corrections" });
    await list.getByText("All to example.org").first().waitFor();
    expect(await window.inspect("corrections")).toEqual([]);
    await list.getByRole("button", { name: "Take back: All to example.org" }).click();
    await list.getByText("No corrections").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "More for this report" }).click();
    await page.getByRole("menuitem", { name: "Judge all looks again" }).click();
    await page.getByRole("status").filter({ hasText: "Judged again" }).waitFor();
  });
});

describe("the activity", () => {
  it("shows an open within a second of its answer", async () => {
    const { page } = window;
    await window.go("/activity");
    await page.getByRole("heading", { level: 2 }).first().waitFor();
    const before = await newestActivity();
    const { mails } = await window.call("outbox_list", { search: "", offset: 0, limit: 100 });
    let newest = before;
    for (const mail of mails) {
      if (mail.test || newest.id > before.id) continue;
      const { status } = await window.call("outbox_open_as", { id: mail.id, client: "iphone" });
      if (status === 200) newest = await newestActivity();
    }
    expect(newest.id, "a mail of the outbox was opened").toBeGreaterThan(before.id);
    await page.getByRole("listitem").filter({ hasText: newest.text }).first().waitFor({ timeout: 1_000 });
    expect(await window.inspect("activity")).toEqual([]);
  });
});

describe("sending", () => {
  async function draft(): Promise<number> {
    const { campaigns } = await window.call("campaign_list", {});
    const found = campaigns.find((campaign) => campaign.state === "draft");
    if (found === undefined) throw new Error("the sample data has no draft");
    return found.id;
  }

  async function launch(id: number, delay_secs: number): Promise<void> {
    const { job } = await window.call("campaign_prepare", { id });
    await window.finished(job);
    await window.call("campaign_launch", { id, delay_secs, confirmed: true });
  }

  it("counts down, and a cancel leaves no trace", async () => {
    const { page } = window;
    await window.call("settings_update", { postal_address: "1 River Way, Riverside" });
    const id = await draft();
    await launch(id, 60);
    await window.go(`/campaigns/${id}`);
    await page.getByRole("timer").waitFor();
    expect(await window.inspect("starting")).toEqual([]);
    await page.getByRole("button", { name: "Cancel", exact: true }).click();
    await page.getByText("The campaign is a draft again").waitFor();
    const { state, counts } = await window.call("campaign_get", { id });
    expect({ state, counts }).toEqual({ state: "draft", counts: {} });
  });

  it("shows its numbers until the last mail is accepted", async () => {
    const { page } = window;
    const id = await draft();
    await window.go(`/campaigns/${id}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await launch(id, 0);
    await page.getByText(/^Sent ·/).waitFor({ timeout: 30_000 });
    const { counts } = await window.call("campaign_get", { id });
    const mails = page.getByRole("region", { name: "Mails" });
    await mails.getByText(String(counts["accepted"]), { exact: true }).waitFor();
    expect(await window.inspect("campaign")).toEqual([]);
  });

  it("pauses, goes on, and cancels the rest after asking", async () => {
    const { page } = window;
    const { accounts } = await window.call("account_list", {});
    const outbox = accounts.find((account) => account.kind === "outbox");
    if (outbox === undefined) throw new Error("the sample data has no outbox");
    const { sample: _sample, secret: _secret, secret_note: _note, sign_in: _signIn, trusted: _trusted, standing: _standing, ...settings } = outbox;
    await window.call("account_save", { ...settings, per_minute: 60 });
    const { campaigns } = await window.call("campaign_list", {});
    const { id } = await window.call("campaign_duplicate", { id: campaigns[0]?.id ?? 0 });
    await launch(id, 0);
    await window.go(`/campaigns/${id}`);
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: "Resume" }).waitFor();
    expect((await window.call("campaign_get", { id })).state).toBe("paused");
    expect(await window.inspect("paused")).toEqual([]);
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("button", { name: "Cancel the rest" }).click();
    const question = page.getByRole("dialog", { name: /^Cancel the remaining \d+ mails\?$/ });
    expect(await window.inspect("cancel")).toEqual([]);
    await question.getByRole("button", { name: /^Cancel \d+ mails$/ }).click();
    await page.getByText(/^Cancelled ·/).waitFor();
    const { state, counts } = await window.call("campaign_get", { id });
    expect(state).toBe("cancelled");
    expect(counts["cancelled"], "what had not left is cancelled, what had stays").toBeGreaterThan(0);
  });
});

describe("every place", () => {
  it.each([
    ["home", "/"],
    ["campaigns", "/campaigns"],
    ["compose", "/compose"],
    ["audience", "/audience"],
    ["settings", "/settings"],
  ])("%s can be used by all", async (name, path) => {
    await window.go(path);
    await window.page.getByRole("heading", { level: 1 }).waitFor();
    expect(await window.inspect(name)).toEqual([]);
  });

  it("is reached from the palette by typing its name", async () => {
    const { page } = window;
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Find a command" }).fill("campai");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Campaigns" }).waitFor();
  });

  it("says nothing on the console: no error, no refusal of the content policy", () => {
    expect(window.complaints).toEqual([]);
  });
});
