/** The end of a window, how often readers are looked at, and where both are set. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Campaign } from "../src/lib/bindings/api";
import { CasementWindow } from "./window";

let window: CasementWindow;
let id: number;

const campaign = (): Promise<Campaign> => window.call("campaign_get", { id });

beforeAll(async () => {
  window = await CasementWindow.open();
  const { job } = await window.call("sample_data_add", {});
  await window.finished(job);
  const { campaigns } = await window.call("campaign_list", {});
  const open = campaigns.find((each) => each.window !== null && Date.parse(each.window.opens_until) > Date.now());
  if (open === undefined) throw new Error("no sample campaign has an open window");
  id = open.id;
}, 120_000);

afterAll(async () => {
  await window.close();
});

describe("a launched campaign", () => {
  it("says until when late loads are counted, and is extended from its page by keyboard", async () => {
    const { page } = window;
    const before = await campaign();
    await window.go(`/campaigns/${id}`);
    await page.getByText("Then the addresses of the pixels are destroyed", { exact: false }).waitFor();
    expect(await window.inspect("campaign-window")).toEqual([]);
    await page.getByRole("button", { name: "Extend or end the window" }).press("Enter");
    const dialog = page.getByRole("dialog", { name: "When opens count" });
    await dialog.waitFor();
    expect(await window.inspect("window-dialog")).toEqual([]);
    const until = dialog.getByLabel("Until");
    await until.fill("2027-05-01T09:00");
    await dialog.getByLabel("Days of grace after it").fill("3");
    await dialog.getByLabel("Days of grace after it").press("Tab");
    await dialog.getByRole("button", { name: "Extend the window" }).press("Enter");
    await dialog.waitFor({ state: "hidden" });
    const after = await campaign();
    expect(Date.parse(after.window?.opens_until ?? "")).toBeGreaterThan(Date.parse(before.window?.opens_until ?? ""));
    expect(Date.parse(after.late_counted_until ?? "") - Date.parse(after.window?.opens_until ?? "")).toBe(3 * 86_400_000);
  });

  it("has a report that says what was not seen, and until when late loads count", async () => {
    const { page } = window;
    await window.go(`/report/${id}`);
    const until = page.getByText("Loads after the window are counted until", { exact: false });
    await until.scrollIntoViewIfNeeded();
    expect(await window.inspect("report-not-seen")).toEqual([]);
  });

  it("is ended after a question, and says why it cannot be ended twice", async () => {
    const { page } = window;
    await window.go(`/campaigns/${id}`);
    await page.getByRole("button", { name: "Extend or end the window" }).click();
    await page.getByRole("button", { name: "End now…" }).click();
    const question = page.getByRole("dialog", { name: "End the window now?" });
    await question.waitFor();
    expect(await window.inspect("window-end")).toEqual([]);
    await question.getByRole("button", { name: "End the window now" }).click();
    await question.waitFor({ state: "hidden" });
    const { window: ended } = await campaign();
    expect(Date.parse(ended?.opens_until ?? "")).toBeLessThanOrEqual(Date.now());
    await expect(window.call("campaign_window_end", { id })).rejects.toThrow(/ended on/);
    await page.getByRole("button", { name: "Extend or end the window" }).click();
    await page.getByRole("dialog", { name: "When opens count" }).getByLabel("Extend until").waitFor();
  });
});

describe("how often readers are looked at", () => {
  it("is set for the workspace, and what is out of its range is taken back", async () => {
    const { page } = window;
    await window.go("/settings/privacy");
    const grace = page.getByLabel("Days of grace after a window");
    await grace.waitFor();
    expect(await window.inspect("settings-privacy")).toEqual([]);
    await grace.fill("14");
    await grace.press("Tab");
    const all = page.getByLabel("Stored loads of one mail, at most");
    await all.fill("5");
    await all.press("Tab");
    const months = page.getByLabel("Months for which verdicts are kept after that");
    await months.fill("61");
    await months.press("Tab");
    expect(await months.inputValue(), "sixty are the most").toBe("13");
    await expect
      .poll(async () => {
        const { settings } = await window.call("app_state", {});
        return [settings.grace_days, settings.cap_hits, settings.cap_machine_hits, settings.verdicts_months];
      })
      .toEqual([14, 5, 5, 13]);
  });

  it("is set for one campaign in its drawer, and empty takes the workspace's", async () => {
    const { page } = window;
    const { id: draft } = await window.call("campaign_save", {
      name: "Quiet one", subject: "", preheader: "", audience: { include: [], exclude: [] }, postal_address: "",
    });
    await window.go(`/compose/${draft}`);
    await page.getByRole("button", { name: /settings/i }).first().click();
    await page.getByText("Frequency").click();
    const mails = page.getByLabel("Tracked mails to one person in 30 days, at most");
    await mails.fill("2");
    await mails.press("Tab");
    expect(await window.inspect("campaign-frequency")).toEqual([]);
    const saved = async (): Promise<unknown> => (await window.call("campaign_get", { id: draft })).cap;
    await expect.poll(saved).toEqual({ tracked_mails: 2 });
    await mails.fill("");
    await mails.press("Tab");
    await expect.poll(saved).toEqual({});
  });
});
