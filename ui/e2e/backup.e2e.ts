/** Backups: saved, brought back with what people asked for since, and the way out of a damaged workspace. */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CasementWindow } from "./window";

let folder: string;
let saved: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "casement-backup-"));
  saved = join(folder, "Rowing Club.casement");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Chooses the saved backup where the window asks for a file. */
async function choose(window: CasementWindow, button: string): Promise<void> {
  const chooser = window.page.waitForEvent("filechooser");
  await window.page.getByRole("button", { name: button }).click();
  await (await chooser).setFiles(saved);
}

describe("a backup", () => {
  let window: CasementWindow;
  let ana = 0;

  beforeAll(async () => {
    window = await CasementWindow.open();
    await window.call("settings_update", { unknown_policy: "none", postal_address: "1 Boathouse Lane", organisation: "Rowing Club" });
    await window.call("account_save", {
      name: "Practice outbox",
      kind: "outbox",
      from_name: "Rowing Club",
      from_address: "news@riverside.example",
    } as never);
    const list = await window.call("list_save", { name: "Members" } as never);
    for (const name of ["ana", "bo", "cy"]) {
      const contact = await window.call("contact_save", { email: `${name}@example.org`, first_name: name, lists: [list.id] } as never);
      if (name === "ana") ana = contact.id;
    }
  });

  afterAll(() => window.close());

  it("is saved from the settings", async () => {
    const { page } = window;
    await window.go("/settings/data");
    await page.getByText("No backup was saved yet.").waitFor();
    await page.getByRole("button", { name: "Save a backup…" }).click();
    const banner = page.getByText("Saved, and whole.");
    await banner.waitFor();
    await page.getByText("The last one was saved").waitFor();
    expect(await window.inspect("backup-saved")).toEqual([]);
    const path = (await page.locator(".path").textContent()) ?? "";
    expect(statSync(path).size).toBeGreaterThan(10_000);
    await window.finished((await window.call("backup_save", { path: saved, is_move: false })).job);
  });

  it("says before it is brought back what is kept and what goes, and keeps it", async () => {
    const { page } = window;
    await window.call("contact_suppress", { email: "ana@example.org", suppress: true } as never);
    await window.call("contact_save", { email: "eve@example.org", first_name: "Eve", lists: [] } as never);
    await window.go("/settings/data");
    await choose(window, "Choose a backup…");
    const dialog = page.getByRole("dialog");
    await dialog.getByText("It holds 3 people and 1 account.").waitFor();
    await dialog.getByText("1 address that gets no mail").waitFor();
    await dialog.getByText("1 person").waitFor();
    expect(await window.inspect("backup-question")).toEqual([]);
    const anew = page.waitForEvent("load");
    await dialog.getByRole("button", { name: "Bring it back" }).press("Enter");
    await anew;
    await page.getByText("was brought back. Kept from what was here: 1 address that gets no mail.").waitFor();
    expect(await window.inspect("backup-brought-back")).toEqual([]);
    const people = await window.call("contact_list", { search: "", offset: 0, limit: 10 } as never);
    expect(people.total).toBe(3);
    expect((await window.call("contact_get", { id: ana as never })).contact.suppressed).not.toBeNull();
    await window.go("/settings/data");
    await page.getByRole("heading", { name: "Copies on this computer" }).waitFor();
    expect(await window.inspect("backup-copies")).toEqual([]);
  });

  it("pauses every campaign here when the workspace is moved", async () => {
    const { page } = window;
    await window.go("/settings/data");
    await page.getByRole("button", { name: "Save and stop sending here…" }).click();
    await page.getByText("Saved. Nothing is sent from here any more.").waitFor();
  });

  it("that is none is refused with a sentence", async () => {
    const { page } = window;
    const strange = join(folder, "holiday.casement");
    writeFileSync(strange, "no backup at all");
    await window.go("/settings/data");
    const chooser = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Choose a backup…" }).click();
    await (await chooser).setFiles(strange);
    await page.getByText("is no backup of Casement's, or is damaged").waitFor();
    expect(await window.inspect("backup-refused")).toEqual([]);
  });
});

describe("a new computer", () => {
  let window: CasementWindow;
  beforeAll(async () => {
    window = await CasementWindow.open();
  });
  afterAll(() => window.close());

  it("begins with a backup", async () => {
    const { page } = window;
    await window.go("/");
    await page.getByRole("heading", { name: "I have a backup" }).waitFor();
    expect(await window.inspect("welcome-backup")).toEqual([]);
    await choose(window, "Choose the backup…");
    const anew = page.waitForEvent("load");
    await page.getByRole("dialog").getByRole("button", { name: "Bring it back" }).click();
    await anew;
    await page.getByText("was brought back.").waitFor();
  });
});

describe("a damaged workspace", () => {
  let window: CasementWindow;
  beforeAll(async () => {
    window = await CasementWindow.open((workspace) => {
      mkdirSync(workspace, { recursive: true });
      writeFileSync(join(workspace, "casement.db"), "this is rubbish where a database was, written by a disk that fails. ".repeat(200));
    });
  });
  afterAll(() => window.close());

  it("is said, and a backup brings it back", async () => {
    const { page } = window;
    await window.go("/");
    await page.getByRole("heading", { name: "Your workspace is damaged" }).waitFor();
    expect(await window.inspect("damaged")).toEqual([]);
    await choose(window, "Choose a backup…");
    const anew = page.waitForEvent("load");
    await page.getByRole("dialog").getByRole("button", { name: "Bring it back" }).click();
    await anew;
    await page.getByText("What was here could not be read").waitFor();
    const people = await window.call("contact_list", { search: "", offset: 0, limit: 10 } as never);
    expect(people.total).toBe(3);
  });
});
