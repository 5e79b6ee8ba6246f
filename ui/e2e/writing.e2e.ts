/** A first campaign by the window alone: account, address, people, text, launch, and a reader who opens it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CasementWindow } from "./window";

let window: CasementWindow;
let folder: string;

const PEOPLE = ["ana@example.org;Ana;Graz", "bo@example.org;Bo;Bonn", "dana@example.org;;Jaffa"];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "casement-people-"));
  writeFileSync(join(folder, "members.csv"), ["E-Mail;Vorname;Ort", ...PEOPLE, "no address;X;Y", "ana@example.org;Ana;Graz", ""].join("\n"));
  window = await CasementWindow.open();
});

afterAll(async () => {
  await window.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The draft that the core has, once it says that all is saved. */
async function saved(id: number) {
  await window.page.getByText("Saved", { exact: true }).waitFor();
  return await window.call("campaign_get", { id });
}

async function onlyCampaign(): Promise<number> {
  const { campaigns } = await window.call("campaign_list", {});
  expect(campaigns).toHaveLength(1);
  return campaigns[0]?.id ?? 0;
}

describe("the first start without sample data", () => {
  it("keeps the answer on consent and goes on to the account", async () => {
    const { page } = window;
    await window.go("/");
    await page.getByRole("checkbox", { name: /My readers are in the EU or the UK/ }).waitFor();
    await page.getByRole("radio", { name: /A pixel shared by all/ }).check();
    await page.getByRole("button", { name: "Set up my account" }).click();
    await page.getByRole("complementary", { name: "New account" }).waitFor();
    const { settings } = await window.call("app_state", {});
    expect(settings.unknown_policy).toBe("shared");
    expect(await window.inspect("account")).toEqual([]);
  });

  it("adds a practice outbox, a postal address and an address on this computer", async () => {
    const { page } = window;
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Add a practice outbox" }).click();
    await page.getByLabel("Your name, as readers see it").fill("Riverside Rowing Club");
    await page.getByLabel("Your address").fill("news@riverside.example");
    await page.getByRole("button", { name: "Add account" }).last().click();
    await page.getByRole("button", { name: "Change Practice outbox" }).waitFor();

    await window.go("/settings/privacy");
    await page.getByLabel("Postal address").fill("1 Boathouse Lane\nRiverside");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await expect.poll(async () => (await window.call("app_state", {})).settings.postal_address).toContain("Boathouse");
    expect(await window.inspect("settings-privacy")).toEqual([]);

    await window.go("/settings/address");
    await page.getByText("Ports and proxy").click();
    await page.getByLabel("Answers at").fill("127.0.0.1:0");
    await page.getByLabel("Behind a proxy or tunnel, at").fill("127.0.0.1:0");
    await page.getByLabel("Header with the client's address").fill("X-Forwarded-For");
    await page.getByRole("button", { name: "Start the listener" }).click();
    await page.getByRole("button", { name: "Stop" }).waitFor();
    await page.getByRole("radio", { name: /An address on this computer/ }).check();
    await page.getByRole("button", { name: "Carry this address" }).click();
    await expect.poll(async () => (await window.call("address_show", {})).kind).toBe("local");
    expect(await window.inspect("settings-address")).toEqual([]);
  });
});

describe("an import", () => {
  it("says what would happen, then does that, and names each row that it left out", async () => {
    const { page } = window;
    await window.go("/audience/import");
    const [chooser] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.getByRole("button", { name: "Choose a file" }).click(),
    ]);
    await chooser.setFiles(join(folder, "members.csv"));
    await page.getByLabel("Put them on the list").fill("Members");
    await page.getByRole("radio", { name: /They allowed it/ }).check();
    await page.getByLabel("How they said it").fill("membership form");
    await page.getByLabel("The words they agreed to").fill("Yes, you may see whether I open your mails.");
    expect(await window.inspect("import-columns")).toEqual([]);
    await page.getByRole("button", { name: "Check the file" }).click();
    await page.getByRole("heading", { name: "What would happen" }).waitFor();
    expect((await window.call("list_list", {})).contacts, "a check changes nothing").toBe(0);
    await page.getByRole("button", { name: "Import 3 people" }).click();
    await page.getByRole("link", { name: "Show the people" }).waitFor();
    const problems = await page.getByRole("row").allInnerTexts();
    expect(problems.filter((row) => /Left out|Repeated/.test(row))).toHaveLength(2);
    expect(await window.inspect("import-done")).toEqual([]);
    await page.getByRole("link", { name: "Show the people" }).click();
    await page.getByRole("grid", { name: "Members" }).waitFor();
    expect(await window.inspect("list")).toEqual([]);
  });

  it("shows a person's own words on tracking", async () => {
    const { page } = window;
    await page.getByRole("grid", { name: "Members" }).focus();
    await page.keyboard.press("Enter");
    const drawer = page.getByRole("complementary", { name: "Contact" });
    await drawer.getByText("Yes, you may see whether I open your mails.").waitFor();
    expect(await window.inspect("person")).toEqual([]);
  });
});

describe("writing", () => {
  it("saves what is typed, block by block, with the keyboard alone", async () => {
    const { page } = window;
    await window.go("/compose");
    await page.getByRole("button", { name: /Write a new mail/ }).click();
    await page.getByRole("textbox", { name: "Subject", exact: true }).click();
    await page.keyboard.type('Regatta, {{ first_name | fallback("dear rower") }}');
    await page.getByRole("textbox", { name: "Heading" }).click();
    await page.keyboard.type("Come and row");
    await page.keyboard.press("Enter");
    await page.keyboard.type("In ");
    await page.keyboard.type("{{ ort }}");
    await page.keyboard.type(" and ");
    await page.keyboard.press("Control+b");
    await page.keyboard.type("everywhere");
    await page.keyboard.press("Alt+ArrowDown");
    await page.getByText("Saving…").waitFor({ state: "detached" });
    const campaign = await saved(await onlyCampaign());
    expect(campaign.subject).toBe('Regatta, {{ first_name | fallback("dear rower") }}');
    expect(campaign.document.blocks.map((block) => block.type)).toEqual(["heading", "text", "text", "footer"]);
    expect(campaign.document.blocks[2]).toEqual({
      type: "text",
      paragraphs: [[
        { text: "In {{ ort }} and ", bold: false, italic: false, link: "" },
        { text: "everywhere", bold: true, italic: false, link: "" },
      ]],
    });
    await page.keyboard.press("Control+z");
    await expect
      .poll(async () => (await window.call("campaign_get", { id: campaign.id })).document.blocks[1], { timeout: 5_000 })
      .toEqual(campaign.document.blocks[2]);
  });

  it("shows the mail as a person gets it, and sends a test without a pixel", async () => {
    const { page } = window;
    const id = await onlyCampaign();
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("radiogroup", { name: "Members" }).getByText("Send", { exact: true }).click();
    await page.getByLabel("Name", { exact: true }).fill("Regatta");
    expect(await window.inspect("compose-settings")).toEqual([]);
    await page.keyboard.press("Escape");
    const frame = page.frameLocator("iframe");
    await frame.getByText("Hello Ana,").waitFor();
    await page.getByRole("button", { name: "Next person" }).click();
    await frame.getByText("Hello Bo,").waitFor();
    expect(await window.inspect("compose-writing")).toEqual([]);
    await page.getByRole("button", { name: "More for this mail" }).click();
    await page.getByRole("menuitem", { name: "Send a test mail…" }).click();
    await page.getByLabel("To", { exact: true }).fill("me@example.org");
    await page.getByRole("button", { name: "Send test mail" }).click();
    await page.getByText("The test mail lies in the outbox").waitFor();
    const { mails } = await window.call("outbox_list", { campaign: id, search: "", offset: 0, limit: 0 });
    const [mail] = mails;
    expect(mail?.test).toBe(true);
    expect((await window.call("outbox_get", { id: mail?.id ?? 0 })).pixel, "a test mail is never tracked").toBeNull();
    await page.getByRole("button", { name: "Close" }).last().click();
  });
});

describe("the launch", () => {
  it("says to whom, sends, and a reader's look is counted", async () => {
    const { page } = window;
    const id = await onlyCampaign();
    await page.getByRole("button", { name: "Review and launch" }).click();
    const send = page.getByRole("button", { name: "Send to 3 people (practice)" });
    await send.waitFor();
    expect(await window.inspect("launch")).toEqual([]);
    const warnings = page.getByRole("checkbox", { name: /I have seen/ });
    if ((await warnings.count()) > 0) await warnings.check();
    await send.click();
    await page.getByRole("timer").waitFor();
    await expect
      .poll(async () => (await window.call("campaign_get", { id })).state, { timeout: 50_000, interval: 500 })
      .toBe("finished");

    await window.go(`/outbox/${id}`);
    await page.getByRole("grid", { name: "Practice mails" }).getByText("ana@example.org", { exact: true }).click();
    await page.getByRole("button", { name: "iPhone" }).click();
    await page.getByRole("region", { name: "Open this mail as" }).getByRole("listitem").first().waitFor();
    await expect.poll(async () => (await window.call("report_get", { id })).confirmed).toBe(1);
    expect(await window.inspect("outbox")).toEqual([]);
  }, 120_000);
});
