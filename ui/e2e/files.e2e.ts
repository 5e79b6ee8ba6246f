/** Files and pictures of a mail: attached, dropped, shown, refused, sent; and the mails worth a look before the launch. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CasementWindow } from "./window";

let window: CasementWindow;
let folder: string;
let id = 0;

const PEOPLE = [
  { email: "ana@example.org", first_name: "Ana" },
  { email: "bo@example.org", first_name: "Bo" },
  { email: "maximiliane@example.org", first_name: "Maximiliane-Eleonore von Hohenfels zu Obernitz" },
  { email: "nobody@example.org", first_name: "" },
];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "casement-files-"));
  writeFileSync(join(folder, "Regatta Programm – Übersicht.pdf"), "%PDF-1.4 the programme");
  writeFileSync(join(folder, "results.csv"), "boat;place\nA;1\n");
  writeFileSync(join(folder, "setup.exe"), "MZ");
  writeFileSync(join(folder, "video.bin"), Buffer.alloc(2_400_000, 7));
  writeFileSync(join(folder, "river.png"), picture(600, 240));
  window = await CasementWindow.open();
  await window.call("settings_update", { unknown_policy: "none", postal_address: "1 Boathouse Lane", organisation: "Rowing Club" });
  const account = await window.call("account_save", {
    name: "Practice outbox",
    kind: "outbox",
    from_name: "Rowing Club",
    from_address: "news@riverside.example",
  } as never);
  const list = await window.call("list_save", { name: "Members" } as never);
  for (const person of PEOPLE) await window.call("contact_save", { ...person, lists: [list.id] } as never);
  const saved = await window.call("campaign_save", {
    name: "Regatta",
    subject: 'Regatta, {{ first_name | fallback("dear rower") }}',
    account: account.id,
    audience: { include: [list.id], exclude: [] },
    document: {
      version: 1,
      blocks: [
        { type: "heading", level: 1, spans: [{ text: "Come and row" }] },
        { type: "image", src: "", alt: "", link: "" },
        { type: "text", paragraphs: [[{ text: 'Hello {{ first_name | fallback("there") }}, the programme is attached.' }]] },
      ],
    },
  } as never);
  id = saved.id;
});

afterAll(async () => {
  await window.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A PNG of a river under a sky, made here so that no file of pictures is kept. */
function picture(width: number, height: number): Buffer {
  const rows = Buffer.alloc((width * 3 + 1) * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const isWater = y > height / 2 + 8 * Math.sin(x / 40);
      const at = y * (width * 3 + 1) + 1 + x * 3;
      rows.set(isWater ? [40, 105 + (x % 9), 130] : [200, 220 - y / 4, 235], at);
    }
  }
  const chunk = (type: string, body: Buffer): Buffer => {
    const head = Buffer.concat([Buffer.from(type), body]);
    const out = Buffer.alloc(head.length + 8);
    out.writeUInt32BE(body.length, 0);
    head.copy(out, 4);
    out.writeUInt32BE(crc(head), head.length + 4);
    return out;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function crc(bytes: Buffer): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return (value ^ 0xffffffff) >>> 0;
}

async function choose(button: string, file: string): Promise<void> {
  const [chooser] = await Promise.all([
    window.page.waitForEvent("filechooser"),
    window.page.getByRole("button", { name: button }).click(),
  ]);
  await chooser.setFiles(join(folder, file));
}

const files = () => window.page.getByRole("region", { name: "Attached files" });

describe("a picture from a file", () => {
  it("is shown where it stands and in the preview, and asks what it shows", async () => {
    const { page } = window;
    await window.go(`/compose/${id}`);
    await page.getByRole("button", { name: "Choose a picture" }).click();
    await choose("Choose a file", "river.png");
    await page.getByText("It goes with every mail").waitFor();
    await page.getByText("Say in a few words what it shows.").waitFor();
    await page.getByLabel("What it shows").fill("The river at dawn");
    expect(await window.inspect("compose-picture")).toEqual([]);
    await page.keyboard.press("Escape");
    const shown = page.frameLocator("iframe").getByRole("img", { name: "The river at dawn" });
    await expect.poll(async () => await shown.getAttribute("src")).toMatch(/^data:image\/png;base64,/);
    const { document } = await window.call("campaign_get", { id });
    expect(document.blocks[1]).toMatchObject({ type: "image", src: expect.stringMatching(/^picture:[0-9a-f]{64}$/) as string });
  });

  it("is refused when it is none, with what to do", async () => {
    const { page } = window;
    await page.getByRole("img", { name: "The river at dawn" }).first().click();
    await choose("Choose another file", "results.csv");
    await page.getByText("only PNG, JPEG, GIF and WebP pictures can stand in a mail").waitFor();
    await page.keyboard.press("Escape");
  });
});

describe("attached files", () => {
  it("are listed with what they come to, by button and by drop", async () => {
    const { page } = window;
    await choose("Attach a file", "Regatta Programm – Übersicht.pdf");
    await files().getByText("Regatta Programm – Übersicht.pdf").waitFor();
    const carried = await page.evaluateHandle(() => {
      const data = new DataTransfer();
      data.items.add(new File(["boat;place\nA;1\n"], "results.csv", { type: "text/csv" }));
      return data;
    });
    await page.dispatchEvent("body", "dragover", { dataTransfer: carried });
    await files().getByText("Drop to attach").waitFor();
    await window.photograph("compose-drop");
    await page.dispatchEvent("body", "drop", { dataTransfer: carried });
    await files().getByText("results.csv").waitFor();
    expect(await window.inspect("compose-files")).toEqual([]);
  });

  it("are refused with a sentence, and are taken out again", async () => {
    await choose("Attach a file", "setup.exe");
    await files().getByText("mail services refuse .exe files").waitFor();
    await choose("Attach a file", "results.csv");
    await files().getByText("“results.csv” is attached already").waitFor();
    await window.page.getByRole("button", { name: "Remove results.csv" }).click();
    await expect.poll(async () => await files().getByText("results.csv", { exact: true }).count()).toBe(0);
  });

  it("say what heavy ones mean", async () => {
    const { page } = window;
    await choose("Attach a file", "video.bin");
    await files().getByText(/Everyone gets all of it: for 1,000 people that is 3\.3\u202fGB/).waitFor();
    await files().scrollIntoViewIfNeeded();
    expect(await window.inspect("compose-heavy")).toEqual([]);
    await expect.poll(async () => await page.locator("footer[aria-label='About this mail']").innerText()).toContain("3.3");
  });
});

describe("before the launch", () => {
  it("shows the mails that are worth a look, each as its reader gets it", async () => {
    const { page } = window;
    await window.go(`/launch/${id}`);
    const samples = page.getByRole("region", { name: "Mails worth a look" });
    await samples.getByText("The largest").waitFor();
    expect(await samples.getByRole("listitem").count()).toBe(PEOPLE.length);
    await samples.getByText("The emptiest").or(samples.getByText("emptiest")).first().waitFor();
    await page.getByText("To 4 people that is").waitFor();
    await samples.scrollIntoViewIfNeeded();
    expect(await window.inspect("launch-samples")).toEqual([]);
    await samples.getByRole("button", { name: "Look at the mail to nobody@example.org" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.frameLocator("iframe").getByText("Hello there, the programme is attached.").waitFor();
    expect(await window.inspect("launch-sample")).toEqual([]);
    await page.keyboard.press("Escape");
  });

  it("sends it with its files", async () => {
    const { page } = window;
    await page.getByRole("checkbox", { name: "I have seen the warning" }).check();
    await page.getByRole("button", { name: /Send to 4 people/ }).click();
    await page.getByRole("timer").waitFor();
    const { prepared } = await window.call("campaign_preflight", { id });
    expect(prepared).toBe(true);
    expect(window.complaints).toEqual([]);
  });
});
