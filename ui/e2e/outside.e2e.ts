/** The public address seen from outside: a name server and a server with a certificate on loopback, and the real core. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Reach } from "../src/lib/bindings/api";
import { startFront, type Front } from "./front";
import { CasementWindow } from "./window";

let front: Front;
let window: CasementWindow;

beforeAll(async () => {
  front = await startFront();
  process.env["CASEMENT_DNS"] = front.dns;
  process.env["CASEMENT_EXTRA_ROOT_PEM"] = front.pem;
  window = await CasementWindow.open();
  await window.call("settings_update", { unknown_policy: "none" });
  await window.call("address_set", { url: front.url, local: false });
});

afterAll(async () => {
  delete process.env["CASEMENT_DNS"];
  delete process.env["CASEMENT_EXTRA_ROOT_PEM"];
  await window.close();
  await front.close();
});

describe("the public address, seen from outside", () => {
  it("is not called reachable before anybody looked", async () => {
    const { page } = window;
    await window.go("/settings/address");
    const part = page.getByRole("region", { name: "Seen from outside" });
    await part.getByText("Not yet looked").waitFor();
    await part.getByText("once the listener runs").waitFor();
    expect(await part.getByRole("button", { name: "Look now" }).isDisabled()).toBe(true);
    expect(await window.inspect("outside-never")).toEqual([]);
  });

  it("is looked at by itself once the listener runs", async () => {
    const { page } = window;
    const { entrances } = await window.call("listener_start", { bind: "127.0.0.1:0" });
    front.leadTo(entrances[0]?.url);
    const part = page.getByRole("region", { name: "Seen from outside" });
    await part.getByText("Readers get through").waitFor();
    await part.getByText(/^\d+ ms$/).waitFor();
    await page.getByRole("button", { name: /Can pixels reach us\? Reachable/ }).waitFor();
    expect((await window.call("listener_status", {})).refused, "its own questions were turned away by nobody").toEqual([]);
    expect(await window.inspect("outside-good")).toEqual([]);
  });

  it("says what is wrong and what to do, by the keyboard alone", async () => {
    const { page } = window;
    front.leadTo(undefined);
    const part = page.getByRole("region", { name: "Seen from outside" });
    await part.getByRole("button", { name: "Look now" }).focus();
    await page.keyboard.press("Enter");
    await part.getByText("Nothing stands behind it").waitFor();
    await part.getByText(/See that the tunnel to this computer stands/).waitFor();
    expect(await window.inspect("outside-nothing-behind")).toEqual([]);
    front.leadTo((await window.call("listener_status", {})).entrances[0]?.url);
    await part.getByRole("button", { name: "Look now" }).click();
    await part.getByText("Readers get through").waitFor();
  });

  it("fits a narrow window and letters twice as large, with long words", async () => {
    const { page } = window;
    await page.route("**/__rpc", async (route) => {
      const asked = route.request().postDataJSON() as { command: string };
      if (asked.command !== "reach_get") return await route.fallback();
      const { ok } = (await (await route.fetch()).json()) as { ok: Reach };
      if (ok.probe === null) throw new Error("it was looked at before");
      const long = "a-very-long-name-of-a-server-in-front-without-any-place-to-break-it-apart.harbour-club.example";
      const probe = { ...ok.probe, verdict: "redirect", sentence: `news.harbour.test sends everybody on to ${long}.`, advice: `If ${long} is yours, use it.` };
      await route.fulfill({ json: { ok: { ...ok, probe, misses: 3 } } });
    });
    await page.reload();
    const part = page.getByRole("region", { name: "Seen from outside" });
    await part.getByText("It leads to another address").waitFor();
    for (const [name, width, height] of [["wide", 1280, 1600], ["narrow", 700, 1800], ["200-percent", 640, 1900]] as const) {
      await page.setViewportSize({ width, height });
      await window.photograph(`outside-${name}`);
      const over = await page.evaluate(() => {
        const main = document.querySelector("main");
        return main === null ? -1 : main.scrollWidth - main.clientWidth;
      });
      expect(over, `${name}: nothing stands over the edge`).toBe(0);
    }
    await page.unrouteAll({ behavior: "ignoreErrors" });
  });

  it("says at the sidebar's foot that an address was not seen, and why", async () => {
    const { page } = window;
    await page.setViewportSize({ width: 1280, height: 800 });
    await window.call("address_set", { url: "https://nowhere.harbour.test", local: false });
    await window.go("/");
    await page.getByRole("button", { name: /Can pixels reach us\? Not yet seen from outside/ }).click();
    await page.getByText(/Nobody knows the name nowhere\.harbour\.test/).waitFor();
    expect(await window.inspect("outside-foot")).toEqual([]);
    await page.keyboard.press("Escape");
  });

  it("leaves no complaint on the console", () => {
    expect(window.complaints).toEqual([]);
  });
});
