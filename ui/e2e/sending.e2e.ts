/** Limits of an account, a time for a campaign, and how sending looks. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CasementWindow } from "./window";

let window: CasementWindow;
let list: number;
let account: number;

async function draft(name: string): Promise<number> {
  const { document } = await window.call("document_from_markdown", { markdown: "Dear rowers" });
  const { id } = await window.call("campaign_save", {
    name,
    subject: "The river this week",
    preheader: "",
    postal_address: "",
    account,
    audience: { include: [list], exclude: [] },
    document,
  });
  return id;
}

beforeAll(async () => {
  window = await CasementWindow.open();
  await window.call("settings_update", { unknown_policy: "none", organisation: "Riverside Rowing Club", postal_address: "1 Boathouse Lane" });
  ({ id: list } = await window.call("list_save", { name: "Members" }));
  for (let n = 0; n < 30; n++) await window.call("contact_save", { email: `m${n}@riverside.example`, lists: [list], first_name: "", last_name: "", fields: {} });
}, 120_000);

afterAll(async () => {
  await window.close();
});

describe("an account", () => {
  it("takes a provider's server and limits, by keyboard", async () => {
    const { page } = window;
    await window.go("/settings/accounts");
    await page.getByRole("button", { name: "Add account" }).first().press("Enter");
    const drawer = page.getByRole("group", { name: "New account" });
    await drawer.getByLabel("Your address").fill("news@gmail.com");
    await drawer.getByLabel("Your address").press("Tab");
    await expect.poll(() => drawer.getByLabel("Mails in 24 hours").inputValue()).toBe("500");
    await drawer.getByLabel("Provider").selectOption("microsoft_365");
    await expect.poll(() => drawer.getByLabel("Host").inputValue()).toBe("smtp.office365.com");
    expect(await drawer.getByLabel("Mails a minute", { exact: true }).inputValue()).toBe("30");
    await drawer.getByText("More limits").press("Enter");
    await drawer.getByLabel("Mails a minute to one domain").fill("10");
    await drawer.getByText("More limits").scrollIntoViewIfNeeded();
    expect(await window.inspect("account-limits")).toEqual([]);
    await drawer.getByRole("button", { name: "Cancel" }).click();
  });
});

describe("a campaign", () => {
  it("is scheduled from the launch page, says when it begins, and is taken back", async () => {
    ({ id: account } = await window.call("account_save", {
      name: "Practice", kind: "outbox", host: "", port: 0, tls: "none", user: "", from_name: "Riverside",
      from_address: "news@riverside.example", reply_to: "", connections: 1,
      per_second: 0, per_minute: 60, per_hour: 0, per_day: 20, per_domain: 0,
    }));
    const { page } = window;
    const id = await draft("Spring letter");
    await window.go(`/launch/${id}`);
    await page.getByRole("radio", { name: /At a time/ }).check();
    expect(await page.getByRole("button", { name: /^Schedule for/ }).isDisabled()).toBe(true);
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
    await page.getByLabel("Day and time").fill(`${tomorrow}T09:00`);
    await page.getByLabel("Quiet hours, in which nothing leaves").check();
    expect(await window.inspect("launch-schedule")).toEqual([]);
    const seen = page.getByLabel(/^I have seen/);
    if (await seen.count()) await seen.check();
    await page.getByRole("button", { name: /^Schedule for 30 people/ }).click();
    await page.getByText(/^Begins /).waitFor();
    expect((await window.call("campaign_get", { id })).scheduled).toBe(true);
    expect(await window.inspect("campaign-scheduled")).toEqual([]);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("This campaign is a draft.", { exact: false }).waitFor();
  });

  it("shows its pace, its days to come and its account's limit while it is sent", async () => {
    const { page } = window;
    const id = await draft("Summer letter");
    const { job } = await window.call("campaign_prepare", { id });
    await window.finished(job);
    await window.call("sending_start", {});
    await window.call("campaign_launch", { id, delay_secs: 0, confirmed: true });
    await window.go(`/campaigns/${id}`);
    await page.getByText("Day's limit reached").waitFor({ timeout: 45_000 });
    const { accounts, forecast } = await window.call("campaign_sending", { id });
    expect(accounts[0]?.standing.sent_in_day).toBe(20);
    expect(forecast?.day_limited).toBe(true);
    await page.getByText("20 of 20 mails in 24 hours").waitFor();
    expect(await window.inspect("campaign-sending")).toEqual([]);
    await window.go("/settings/accounts");
    await page.getByText("20 of 20 in 24 hours").waitFor();
    expect(await window.inspect("accounts-limit")).toEqual([]);
  });
});
