/** A sender's domain is checked, a test mail is brought back, and bounces are read: by the window, over the real core. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Names } from "./names";
import { CasementWindow } from "./window";

const MAILS = fileURLToPath(new URL("../../src-tauri/core/tests/data/mails/", import.meta.url));

let window: CasementWindow;
let names: Names;

/** A report of a bounce (RFC 3464). */
function dsn(recipient: string, action: string, status: string): string {
  return [
    "From x Wed Apr  1 08:00:00 2026",
    "From: MAILER-DAEMON@mx.example.net",
    "Subject: Undelivered Mail Returned to Sender",
    "MIME-Version: 1.0",
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
    "",
    "--b",
    "Content-Type: message/delivery-status",
    "",
    "Reporting-MTA: dns; mx.example.net",
    "",
    `Final-Recipient: rfc822; ${recipient}`,
    `Action: ${action}`,
    `Status: ${status}`,
    `Diagnostic-Code: smtp; 550 ${status} <${recipient}>: Recipient address rejected: User unknown`,
    "",
    "--b--",
    "",
  ].join("\n");
}

/** Lets go of a file over the window, as a mouse would. */
async function drop(name: string, text: string): Promise<void> {
  await window.page.evaluate(
    ([name, text]) => {
      const files = new DataTransfer();
      files.items.add(new File([text ?? ""], name ?? ""));
      const target = document.body;
      target.dispatchEvent(new DragEvent("dragover", { bubbles: true, cancelable: true, dataTransfer: files }));
      target.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: files }));
    },
    [name, text],
  );
}

beforeAll(async () => {
  names = await Names.start({
    "example.org": { txt: ["v=spf1 include:_spf.google.com ~all"], mx: [[10, "mx.example.org"]] },
    "_spf.google.com": { txt: ["v=spf1 ip4:192.0.2.0/24 ~all"] },
    "_dmarc.example.org": { txt: ["v=DMARC1; p=none"] },
    "rsa._domainkey.example.org": { txt: [readFileSync(join(MAILS, "signed-rsa.key.txt"), "utf8").trim()] },
    "smtp.fastmail.com": { a: ["192.0.2.25"] },
  });
  process.env["CASEMENT_DNS"] = names.address;
  window = await CasementWindow.open();
  await window.call("settings_update", { unknown_policy: "personal" });
  await window.call("account_save", {
    name: "Riverside Rowing Club",
    kind: "smtp",
    host: "smtp.fastmail.com",
    port: 465,
    tls: "tls",
    user: "",
    from_name: "Riverside Rowing Club",
    from_address: "news@example.org",
    reply_to: "",
    connections: 2,
    per_second: 0, per_minute: 0, per_hour: 0, per_day: 0, per_domain: 0,
  });
  for (const email of ["ana@example.org", "bo@example.org", "cleo@example.org"]) {
    await window.call("contact_save", { email, first_name: "", last_name: "", fields: {}, lists: [] });
  }
});

afterAll(async () => {
  await window.close();
  names.stop();
  delete process.env["CASEMENT_DNS"];
});

describe("the check of a sender", () => {
  it("says what is good, what is missing and what to do", async () => {
    const { page } = window;
    await window.go("/settings");
    await page.getByRole("button", { name: "Check the domain of Riverside Rowing Club" }).waitFor();
    expect(await window.inspect("accounts")).toEqual([]);
    await page.getByRole("button", { name: "Check the domain of Riverside Rowing Club" }).click();
    const drawer = page.getByRole("complementary", { name: "Check of Riverside Rowing Club" });
    await drawer.getByLabel("Name of the signing key").fill("rsa");
    await drawer.getByRole("button", { name: "Check the domain" }).click();
    await drawer.getByText("One thing needs mending.").waitFor();
    await drawer.getByText(/does not allow the servers of Fastmail/).waitFor();
    await drawer.getByText(/There is a signing key “rsa” \(RSA, 2048 bits\)/).waitFor();
    await drawer.getByText("The record").first().click();
    await drawer.getByText("v=spf1 include:_spf.google.com ~all").first().waitFor();
    expect(await window.inspect("domain-check")).toEqual([]);
  });

  it("keeps the result", async () => {
    const { page } = window;
    await page.reload();
    await page.getByText("One thing needs mending.").waitFor();
    await page.getByRole("button", { name: "Check again" }).waitFor();
  });

  it("checks a mail that is dropped on the window, and says what is no mail", async () => {
    const { page } = window;
    await drop("test.eml", readFileSync(join(MAILS, "signed-rsa.eml"), "latin1"));
    await page.getByText("The signature of example.org holds.").waitFor();
    await page.getByText("Unsubscribing with one click works: its headers are signed.").waitFor();
    await page.getByText("The signature of example.org holds.").scrollIntoViewIfNeeded();
    expect(await window.inspect("mail-check")).toEqual([]);
    await drop("letter.txt", "Dear all");
    await page.getByText(/The file is no mail/).waitFor();
  });
});

describe("the launch page", () => {
  it("tells the last check and blocks nothing by it", async () => {
    const { page } = window;
    const { contacts } = await window.call("contact_list", {} as never);
    const { id: list } = await window.call("list_save", { name: "Members" });
    for (const { id, email, first_name, last_name } of contacts) {
      await window.call("contact_save", { id, email, first_name, last_name, fields: {}, lists: [list] });
    }
    // The preflight tries the server, which therefore has to be on this computer. The result is the domain's.
    await window.call("account_save", {
      name: "By this computer",
      kind: "smtp",
      host: "127.0.0.1",
      port: 1,
      tls: "none",
      user: "",
      from_name: "Riverside Rowing Club",
      from_address: "news@example.org",
      reply_to: "",
      connections: 2,
      per_second: 0, per_minute: 0, per_hour: 0, per_day: 0, per_domain: 0,
    });
    const { id } = await window.call("campaign_create", {
      name: "Spring",
      subject: "Spring at the club",
      account: "By this computer",
      audience: { include: ["Members"], exclude: [] },
      window: { days: 30 },
      tracking: "off",
      postal_address: "1 Boathouse Lane, Riverside",
      markdown: "The boats are painted.",
    } as never);
    await window.go(`/campaigns/${id}/launch`);
    await page.getByText(/The domain was checked .*: One thing needs mending/).waitFor();
    await page.getByRole("button", { name: /Send to 3 people/ }).waitFor();
    expect(await window.inspect("launch-check")).toEqual([]);
    await page.getByRole("link", { name: "Show the check" }).click();
    await page.getByRole("complementary", { name: "Check of By this computer" }).waitFor();
    await page.keyboard.press("Escape");
  });
});

describe("bounces and unsubscribes", () => {
  it("are shown before anything is done, and done on the button", async () => {
    const { page } = window;
    await window.go("/audience");
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Bounces and unsubscribes…" }).click();
    const dialog = page.getByRole("dialog", { name: "Bounces and unsubscribes" });
    await drop("back.mbox", dsn("ana@example.org", "failed", "5.1.1") + dsn("cleo@example.org", "delayed", "4.2.2"));
    await dialog.getByText("back.mbox").waitFor();
    await dialog.getByLabel("Or paste addresses").fill("Bo <bo@example.org>\nnobody");
    await dialog.getByRole("radio", { name: "They want no more mail" }).check();
    expect(await window.inspect("incoming-bring")).toEqual([]);
    await dialog.getByRole("button", { name: "See what would happen" }).click();
    await dialog.getByText("1 bounced, 1 unsubscribed, 1 delayed, 1 not understood").waitFor();
    expect(await window.inspect("incoming-check")).toEqual([]);
    const suppressed = async () => (await window.call("list_list", {})).suppressed;
    expect(await suppressed()).toBe(0);
    await dialog.getByRole("button", { name: "Stop mail to 2 addresses" }).click();
    await dialog.getByRole("button", { name: "Close", exact: true }).last().waitFor();
    expect(await suppressed()).toBe(2);
    await dialog.getByRole("button", { name: "Close", exact: true }).last().click();
    await page.getByText("2 get no mail").waitFor();
  });

  it("do nothing twice", async () => {
    const { page } = window;
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Bounces and unsubscribes…" }).click();
    const dialog = page.getByRole("dialog", { name: "Bounces and unsubscribes" });
    await dialog.getByLabel("Or paste addresses").fill("ana@example.org");
    await dialog.getByRole("button", { name: "See what would happen" }).click();
    await dialog.getByText("1 known already").waitFor();
    await expect(dialog.getByRole("button", { name: "Note what came back" }).isDisabled()).resolves.toBe(true);
    expect(window.complaints).toEqual([]);
  });
});
