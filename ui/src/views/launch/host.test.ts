import { describe, expect, it } from "vitest";
import { hostOf, isFact, isHost } from "./host";

describe("a typed host", () => {
  it.each([
    ["brave.trycloudflare.com", "brave.trycloudflare.com"],
    [" Brave.TryCloudflare.com. ", "brave.trycloudflare.com"],
    ["https://brave.trycloudflare.com/", "brave.trycloudflare.com"],
    ["http://127.0.0.1:4805", "127.0.0.1"],
    ["127.0.0.1:4805", "127.0.0.1"],
    ["[2001:db8::9]:8443", "2001:db8::9"],
    ["2001:db8::9", "2001:db8::9"],
    ["", ""],
    ["   ", ""],
    ["yes please", ""],
    ["https://", ""],
  ])("is read from %j", (typed, host) => expect(hostOf(typed)).toBe(host));

  it("has to be the address's, whole", () => {
    expect(isHost("brave.trycloudflare.com", "brave.trycloudflare.com")).toBe(true);
    expect(isHost("trycloudflare.com", "brave.trycloudflare.com")).toBe(false);
    expect(isHost("brave.trycloudflare.co", "brave.trycloudflare.com")).toBe(false);
    expect(isHost("", "")).toBe(false);
  });
});

describe("what stands beside the address", () => {
  it("is no finding of its own", () => {
    expect(["only_while_on", "address_lent", "address_temporary"].map((id) => isFact({ id }))).toEqual([true, true, false]);
  });
});
