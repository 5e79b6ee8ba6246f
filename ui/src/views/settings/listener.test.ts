import { describe, expect, it } from "vitest";
import { fromHere, refusedGroups, refusedTotal, startRequest, whoComesIn } from "./listener";

const refused = [
  { reason: "malformed", words: "not readable as HTTP", n: 3 },
  { reason: "unknown_path", words: "an address that does not exist here", n: 1_200 },
  { reason: "source_rate", words: "too many requests from one place", n: 7 },
  { reason: "slow", words: "not finished in time", n: 0 },
];

describe("what was turned away", () => {
  it("is summed over all reasons", () => {
    expect(refusedTotal(refused)).toBe(1_210);
    expect(refusedTotal([])).toBe(0);
  });

  it("tells what may have met readers from what every address sees", () => {
    expect(refusedGroups(refused).map(({ who, rows }) => [who, rows.map(({ reason }) => reason)])).toEqual([
      ["readers", ["source_rate"]],
      ["others", ["malformed", "unknown_path"]],
    ]);
    expect(refusedGroups(refused.slice(0, 1)).map(({ who }) => who)).toEqual(["others"]);
    expect(refusedGroups([])).toEqual([]);
  });

  it("counts a reason that this window does not know among the others", () => {
    expect(refusedGroups([{ reason: "new", words: "something new", n: 1 }])[0]?.who).toBe("others");
  });
});

describe("an entrance", () => {
  it.each([
    ["http://127.0.0.1:4805", false, "this computer only"],
    ["http://[::1]:4805", false, "this computer only"],
    ["http://0.0.0.0:4805", false, "every computer that can reach this one"],
    ["http://[::]:4805", false, "every computer that can reach this one"],
    ["http://192.168.1.4:4805", false, "computers that can reach this address"],
    ["http://127.0.0.1:4806", true, "a proxy or tunnel on this computer"],
  ])("%s says who comes in", (url, behind_proxy, words) => {
    expect(whoComesIn({ url, behind_proxy })).toBe(words);
  });

  it("is written into links as this computer reaches it", () => {
    expect(fromHere("http://0.0.0.0:4805")).toBe("http://127.0.0.1:4805");
    expect(fromHere("http://[::]:4805")).toBe("http://[::1]:4805");
    expect(fromHere("http://127.0.0.1:4805")).toBe("http://127.0.0.1:4805");
  });
});

describe("the form that starts the listener", () => {
  const empty = { bind: "", behindProxy: "", clientHeader: "" };

  it("leaves everything to the core where nothing is typed", () => {
    expect(startRequest({ bind: " ", behindProxy: "", clientHeader: "" })).toEqual({});
  });

  it("keeps the entrance for practice beside an address for readers", () => {
    expect(startRequest({ ...empty, bind: " 0.0.0.0:4805 " })).toEqual({
      bind: "0.0.0.0:4805",
      behind_proxy: "127.0.0.1:0",
      client_header: "X-Forwarded-For",
    });
  });

  it("keeps the direct entrance beside a proxy, and believes no header that was not named", () => {
    expect(startRequest({ ...empty, behindProxy: "127.0.0.1:4806" })).toEqual({
      bind: "127.0.0.1:4805",
      behind_proxy: "127.0.0.1:4806",
    });
  });

  it("invents no proxy for a header", () => {
    expect(startRequest({ ...empty, clientHeader: "X-Real-IP" })).toEqual({ client_header: "X-Real-IP" });
    expect(startRequest({ ...empty, bind: "127.0.0.1:0", clientHeader: "X-Real-IP" })).toEqual({
      bind: "127.0.0.1:0",
      client_header: "X-Real-IP",
    });
  });
});
