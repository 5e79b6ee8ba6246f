/** What was said to a mail server about a mail: read in its timeline, after a real dialogue with a server that refuses. */
import { createServer, type AddressInfo, type Server } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CasementWindow } from "./window";

const REFUSAL = "550 5.1.1 <ana@example.org>: Recipient address rejected: User unknown in virtual mailbox table";

let window: CasementWindow;
let server: Server;

/** A mail server that knows nobody called Ana. */
function begin(): Server {
  return createServer((socket) => {
    let rest = "";
    let inMail = false;
    socket.on("error", () => socket.destroy());
    socket.write("220 mail.example.org ESMTP\r\n");
    socket.on("data", (data) => {
      rest += data.toString("latin1");
      for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        if (inMail) {
          if (line !== ".") continue;
          inMail = false;
          socket.write("250 2.0.0 Ok: queued as 4XyZ12\r\n");
        } else if (line.startsWith("DATA")) {
          inMail = true;
          socket.write("354 End data with <CR><LF>.<CR><LF>\r\n");
        } else if (line.startsWith("RCPT") && line.includes("ana@")) {
          socket.write(`${REFUSAL}\r\n`);
        } else if (line.startsWith("QUIT")) {
          socket.end("221 2.0.0 Bye\r\n");
        } else {
          socket.write("250 2.0.0 Ok\r\n");
        }
      }
    });
  });
}

beforeAll(async () => {
  server = begin();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  window = await CasementWindow.open();
  await window.call("settings_update", { unknown_policy: "none", organisation: "Riverside Rowing Club", postal_address: "1 Boathouse Lane" });
  await window.call("account_save", {
    name: "Server", kind: "smtp", host: "127.0.0.1", port: (server.address() as AddressInfo).port, tls: "none", user: "",
    from_name: "Riverside", from_address: "news@riverside.example", reply_to: "", per_second: 0, per_minute: 0, per_hour: 0, per_day: 0, per_domain: 0, connections: 1,
  });
  const { id } = await window.call("list_save", { name: "Members" });
  for (const email of ["ana@example.org", "bo@example.org"]) {
    await window.call("contact_save", { email, first_name: "Ana", last_name: "", fields: {}, lists: [id] });
  }
});

afterAll(async () => {
  await window.close();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

it("stands behind its timeline, for the mail that was refused and for the one that was taken", async () => {
  const { page } = window;
  const { id } = await window.call("campaign_create", {
    name: "Spring", subject: "Spring", account: "Server", audience: { include: ["Members"], exclude: [] },
    preheader: "", postal_address: "", attachments: [], markdown: "The ice is gone from the upper lake.\n",
  });
  await window.call("address_set", { url: null, local: false });
  const { job } = await window.call("campaign_prepare", { id });
  await window.finished(job);
  await window.call("campaign_launch", { id, delay_secs: 0, confirmed: true });
  await window.call("sending_start", {});
  await expect.poll(async () => (await window.call("campaign_get", { id })).state, { timeout: 30_000 }).toBe("finished");
  const { recipients } = await window.call("report_recipients", { id, search: "", sort: "email", descending: false, offset: 0, limit: 10 });
  const [ana, bo] = recipients;
  if (ana === undefined || bo === undefined) throw new Error("two people were sent to");

  await window.go(`/report/${id}?message=${ana.message}`);
  const drawer = page.getByRole("complementary", { name: "Timeline of one recipient" });
  await drawer.getByText("What was said").focus();
  await page.keyboard.press("Enter");
  const said = drawer.locator("pre");
  await said.waitFor();
  const words = await said.innerText();
  expect(words).toContain("> RCPT TO:<ana@example.org>");
  expect(words).toContain(`< ${REFUSAL}`);
  await said.scrollIntoViewIfNeeded();
  expect(await window.inspect("dialogue")).toEqual([]);

  const { lines } = await window.call("message_dialogue", { id: bo.message });
  expect(lines.join("\n")).toMatch(/> … [\d,]+ bytes/);
  expect(lines.join("\n"), "the mail itself is not kept").not.toContain("upper lake");
});
