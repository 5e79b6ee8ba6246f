/** Asking for consent: the template and the block in the window, the reader's page in a browser, the person's history. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CasementWindow } from "./window";

let window: CasementWindow;
let reader: string;

const LONG = "Maria Magdalena von und zu Hohenschwangau-Unterammergau";
const WORDING = "You may record when I open your mails, to learn whether they are read.";

beforeAll(async () => {
  window = await CasementWindow.open();
  await window.call("settings_update", { unknown_policy: "none", organisation: "Riverside Rowing Club", postal_address: "1 Boathouse Lane" });
  await window.call("account_save", {
    name: "Practice", kind: "outbox", host: "", port: 0, tls: "none", user: "", from_name: "Riverside", from_address: "news@riverside.example",
    reply_to: "", per_second: 0, per_minute: 0, per_hour: 0, per_day: 0, per_domain: 0, connections: 1,
  });
  const { id } = await window.call("list_save", { name: "Members" });
  await window.call("contact_save", { email: "noa@example.org", first_name: "נועה", last_name: "לוי", fields: {}, lists: [id] });
  const granted = await window.call("contact_save", { email: "maria@example.org", first_name: LONG, last_name: "", fields: {}, lists: [id] });
  await window.call("contact_consent_set", { id: granted.id, state: "granted", source: "membership form", wording: WORDING });
  const { entrances } = await window.call("listener_start", { bind: "127.0.0.1:0" });
  const url = entrances[0]?.url ?? "";
  await window.call("address_set", { url, local: true });
});

afterAll(async () => {
  await window.close();
});

describe("the question", () => {
  it("begins as a template, is edited in the drawer, and stands in a mail once", async () => {
    const { page } = window;
    await window.go("/compose");
    const template = page.getByRole("button", { name: /Ask whether opens may be counted/ });
    await template.waitFor();
    expect(await window.inspect("compose-start-asking")).toEqual([]);
    await template.click();
    await page.getByText("This mail goes only to people who can be asked").waitFor();
    await page.getByRole("button", { name: /^You may record when I open/ }).click();
    const words = page.getByLabel("The words that people agree to");
    await words.fill("You may, {{ first_name }}");
    await page.getByText("These words are the same for everyone. Take out the merge field.").waitFor();
    await words.fill(WORDING);
    expect(await window.inspect("compose-question-settings")).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByText("Saved", { exact: true }).waitFor();
    await page.frameLocator("iframe").getByText(WORDING).waitFor();
    expect(await window.inspect("compose-question")).toEqual([]);
    await page.getByRole("button", { name: "Add block", exact: true }).click();
    await page.getByRole("menuitem", { name: "Divider" }).waitFor();
    expect(await page.getByRole("menuitem", { name: "Consent question" }).count(), "a mail asks once").toBe(0);
    await page.keyboard.press("Escape");
  });

  it("is added to any mail from the menu of blocks", async () => {
    const { page } = window;
    await window.go("/compose");
    await page.getByRole("button", { name: /Write a new mail/ }).click();
    await page.getByRole("button", { name: "Add block", exact: true }).click();
    await page.getByRole("menuitem", { name: "Consent question" }).click();
    await page.getByText("Shown only to people who can be asked").waitFor();
    await page.keyboard.press("Backspace");
    await page.getByText("Shown only to people who can be asked").waitFor({ state: "detached" });
    await page.keyboard.press("Control+z");
    await page.getByText("Shown only to people who can be asked").waitFor();
  });

  it("goes only to who can be asked, without a pixel", async () => {
    const { campaigns } = await window.call("campaign_list", {});
    const asking = campaigns.find(({ name }) => name === "Ask whether opens may be counted");
    if (asking === undefined) throw new Error("the template made no campaign");
    const saved = await window.call("campaign_get", { id: asking.id });
    const { lists } = await window.call("list_list", {});
    await window.call("campaign_save", {
      id: asking.id, name: saved.name, subject: saved.subject, preheader: saved.preheader, postal_address: saved.postal_address,
      account: saved.account ?? 0, audience: { include: lists.map(({ id }) => id), exclude: [] }, document: saved.document,
    });
    await window.finished((await window.call("campaign_prepare", { id: asking.id })).job);
    await window.go(`/launch/${asking.id}`);
    const { page } = window;
    await page.getByText(/has answered or was asked in the last six months/).first().waitFor();
    expect(await window.inspect("launch-asking")).toEqual([]);
    await window.call("campaign_launch", { id: asking.id, delay_secs: 0, confirmed: true });
    await window.call("sending_start", {});
    await expect.poll(async () => (await window.call("campaign_get", { id: asking.id })).state, { timeout: 50_000 }).toBe("finished");
    const { mails } = await window.call("outbox_list", { campaign: asking.id, search: "", offset: 0, limit: 0 });
    expect(mails.map(({ to }) => to)).toEqual(["noa@example.org"]);
    const mail = await window.call("outbox_get", { id: mails[0]?.id ?? 0 });
    expect(mail.pixel).toBeNull();
    reader = /http:\S+#question/.exec(mail.text)?.[0] ?? "";
    expect(reader).not.toBe("");
  }, 120_000);
});

describe("the reader's page", () => {
  it("has two equal buttons, neither chosen, and acts on neither by being read", async () => {
    const { page } = window;
    await page.goto(reader);
    await page.getByText(WORDING).waitFor();
    const yes = page.getByRole("button", { name: "Yes, I agree" });
    const no = page.getByRole("button", { name: "No, I do not agree" });
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 });
      const [a, b] = [await yes.boundingBox(), await no.boundingBox()];
      expect([a?.width, a?.height], `at ${width}`).toEqual([b?.width, b?.height]);
      await window.photograph(`page-question-${width}`);
    }
    const look = (element: Element) => {
      const { color, backgroundColor, borderColor, fontWeight, fontSize } = getComputedStyle(element);
      return [color, backgroundColor, borderColor, fontWeight, fontSize];
    };
    expect(await yes.evaluate(look)).toEqual(await no.evaluate(look));
    expect(await page.evaluate(() => document.activeElement?.tagName), "nothing is chosen").toBe("BODY");
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  it("takes a no, offers to erase, and the person's history says it", async () => {
    const { page } = window;
    await page.getByRole("button", { name: "No, I do not agree" }).click();
    await page.getByText("Done. You said no.").waitFor();
    await window.photograph("page-refused");
    await page.getByRole("button", { name: "Also erase what was recorded" }).click();
    await page.getByText("What was recorded when you opened these mails is erased").waitFor();
    const { contacts } = await window.call("contact_list", { search: "noa@", sort: "email", descending: false, offset: 0, limit: 0 });
    const details = await window.call("contact_get", { id: contacts[0]?.id ?? 0 });
    expect(details.consent_history.map(({ state, source, wording }) => [state, source, wording])).toEqual([["refused", "consent page", WORDING]]);
    expect(details.asked_at).not.toBeNull();
  });

  it("is shown with the person, who can be rid of what was recorded", async () => {
    const { page } = window;
    await window.go("/audience");
    await page.getByRole("grid").first().waitFor();
    await page.getByText("noa@example.org").first().click();
    const drawer = page.getByRole("complementary", { name: "Contact" });
    await drawer.getByText(/^Asked on /).waitFor();
    await drawer.getByText("consent page").waitFor();
    await drawer.getByText(WORDING).waitFor();
    expect(await window.inspect("person-history")).toEqual([]);
    await drawer.getByRole("button", { name: "Erase recorded opens…" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("This cannot be undone.").waitFor();
    expect(await window.inspect("erase-opens")).toEqual([]);
    await dialog.getByRole("button", { name: "Erase recorded opens" }).click();
    await page.getByText("Erased. These mails are counted as not tracked.").waitFor();
  });

  it("can have the browser's signal taken for a lasting refusal", async () => {
    const { page } = window;
    await window.go("/settings/privacy");
    const choice = page.getByRole("checkbox", { name: /lasting refusal of tracking/ });
    expect(await choice.isChecked(), "off by default").toBe(false);
    await choice.check();
    await expect.poll(async () => (await window.call("app_state", {})).settings.signal_is_refusal).toBe(true);
    expect(await window.inspect("settings-signal")).toEqual([]);
    expect((await window.call("verify", {})).ok).toBe(true);
  });
});
