/** After sending: a server that refuses one mail and hangs up on another, and people who join afterwards. */
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CasementWindow } from "./window";

let window: CasementWindow;
let server: Server;
let id = 0;
let list = 0;
/** Whom the server took mails for. */
const taken: string[] = [];
const sockets = new Set<Socket>();
/** As long as it is so, mails to `gone@` are refused and those to `cut@` are cut off. */
let isHard = true;
/** Set as long as the server lets new connections wait for its greeting. */
let waiting: (() => void)[] | null = null;

beforeAll(async () => {
  server = createServer(talk);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  window = await CasementWindow.open();
  await window.call("settings_update", { unknown_policy: "none", postal_address: "1 Boathouse Lane", organisation: "Rowing Club" });
  await window.call("address_set", { url: null } as never);
  const account = await window.call("account_save", {
    name: "Club server",
    kind: "smtp",
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    tls: "none",
    user: "",
    from_name: "Rowing Club",
    from_address: "news@riverside.example",
    connections: 1,
    per_minute: 0,
  } as never);
  list = (await window.call("list_save", { name: "Members" } as never)).id;
  for (const [email, first_name] of [["ana@example.org", "Ana"], ["cut@example.org", "Cara Theodora"], ["gone@example.org", "Gonzalo"]]) {
    await window.call("contact_save", { email, first_name, lists: [list] } as never);
  }
  const saved = await window.call("campaign_save", {
    name: "Regatta",
    subject: "Regatta",
    account: account.id,
    tracking: "off",
    audience: { include: [list], exclude: [] },
    document: { version: 1, blocks: [{ type: "text", paragraphs: [[{ text: "Come and row." }]] }] },
  } as never);
  id = saved.id;
  await window.finished((await window.call("campaign_prepare", { id })).job);
  await window.call("campaign_launch", { id, delay_secs: 0, confirmed: true });
});

afterAll(async () => {
  await window.close();
  for (const socket of sockets) socket.destroy();
  server.close();
});

/** A mail server that says just what these tests need (RFC 5321). */
function talk(socket: Socket): void {
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
  socket.on("error", () => undefined);
  const say = (line: string): void => void socket.write(`${line}\r\n`);
  let to = "";
  let body: string | null = null;
  let rest = "";
  const greet = (): void => say("220 club.example ready");
  if (waiting) waiting.push(greet);
  else greet();
  socket.on("data", (bytes: Buffer) => {
    rest += bytes.toString("latin1");
    for (;;) {
      const end = rest.indexOf("\r\n");
      if (end < 0) return;
      const line = rest.slice(0, end);
      rest = rest.slice(end + 2);
      if (body !== null) {
        if (line !== ".") {
          body += line;
          continue;
        }
        body = null;
        if (isHard && to.includes("cut@")) return void socket.destroy();
        taken.push(to);
        say("250 2.0.0 queued");
      } else if (/^EHLO/i.test(line)) say("250 club.example");
      else if (/^RCPT/i.test(line)) {
        to = line;
        say(isHard && line.includes("gone@") ? "550 5.1.1 no such user" : "250 ok");
      } else if (/^DATA/i.test(line)) {
        body = "";
        say("354 go on");
      } else if (/^QUIT/i.test(line)) {
        say("221 bye");
        socket.end();
      } else say("250 ok");
    }
  });
}

async function settled(): Promise<Record<string, number>> {
  await expect.poll(async () => (await window.call("campaign_get", { id })).state, { timeout: 30_000 }).toBe("finished");
  return (await window.call("campaign_get", { id })).counts as Record<string, number>;
}

describe("what was not accepted", () => {
  it("is named with the server's words, and the person decides", async () => {
    const { page } = window;
    await window.go(`/campaigns/${id}`);
    expect(await settled()).toEqual({ accepted: 1, rejected: 1, uncertain: 1 });
    await page.getByRole("heading", { name: "1 mail may or may not have left" }).waitFor();
    await page.getByRole("heading", { name: "1 mail failed" }).waitFor();
    await page.getByText(/550 5\.1\.1 no such user/).first().waitFor();
    expect(await window.inspect("campaign-after")).toEqual([]);
  });

  it("sends an uncertain mail again only after it was asked", async () => {
    const { page } = window;
    isHard = false;
    await page.getByRole("button", { name: "Send it again…" }).click();
    await page.getByRole("dialog").getByText("may get it a second time").waitFor();
    expect(await window.inspect("campaign-uncertain")).toEqual([]);
    await page.getByRole("dialog").getByRole("button", { name: "Send again" }).click();
    await page.getByText("1 mail sent again.").waitFor();
    expect(await settled()).toEqual({ accepted: 2, rejected: 1 });
    expect(taken.filter((to) => to.includes("cut@"))).toHaveLength(1);
  });

  it("tries a refused mail again where it is ticked", async () => {
    const { page } = window;
    const again = page.getByRole("button", { name: "Try again" });
    expect(await again.isDisabled(), "what was refused for good is not tried by itself").toBe(true);
    await page.getByRole("checkbox", { name: "Gonzalo" }).check();
    await page.getByRole("button", { name: "Try 1 ticked again" }).click();
    await page.getByText("1 mail is sent again.").waitFor();
    expect(await settled()).toEqual({ accepted: 3 });
    await page.getByRole("heading", { name: "1 mail failed" }).waitFor({ state: "detached" });
  });
});

describe("people who joined since", () => {
  it("get it after a look, and nobody gets it twice", async () => {
    const { page } = window;
    await window.call("contact_save", { email: "new@example.org", first_name: "Nele", lists: [list] } as never);
    await page.getByRole("heading", { name: "1 person joined since" }).waitFor();
    const held: (() => void)[] = (waiting = []);
    const prepare = page.getByRole("button", { name: "Prepare the mails to 1 new person" });
    await prepare.click();
    // The login at the preparation's end waits for the server.
    await expect.poll(() => held.length, { timeout: 30_000 }).toBe(1);
    await window.go("/campaigns");
    await window.go(`/campaigns/${id}`);
    await page.getByRole("heading", { name: "Mails to new people" }).waitFor();
    await page.getByRole("button", { name: "Cancel", exact: true }).waitFor();
    expect(await prepare.count(), "what is at work is not offered again").toBe(0);
    expect(await window.inspect("campaign-new-people-at-work")).toEqual([]);
    waiting = null;
    held.forEach((greet) => greet());
    await page.getByRole("heading", { name: "Mails to 1 new person" }).waitFor();
    await page.getByText("Mails worth a look").waitFor();
    expect(await window.inspect("campaign-new-people")).toEqual([]);
    expect(taken).toHaveLength(3);
    await page.getByRole("button", { name: "Send to 1 new person" }).click();
    await expect.poll(() => taken.length, { timeout: 30_000 }).toBe(4);
    expect(await settled()).toEqual({ accepted: 4 });
    await page.getByRole("heading", { name: "Mails to 1 new person" }).waitFor({ state: "detached" });
    expect(new Set(taken).size).toBe(4);
    expect(window.complaints).toEqual([]);
  });
});
