import { describe, expect, it } from "vitest";
import type { Recipe, TunnelChosen, Way } from "$lib/bindings/api";
import { draftOf, HAVINGS, hrefOf, isUp, kindOf, linesRequest, nameOf, plainWords, saveRequest, secondsLeft, takeRecipe, urlOf, wayOf, WAYS, type WayKind } from "./way";

function chosen(way: Way, more: Partial<TunnelChosen> = {}): TunnelChosen {
  return { way, port: 4806, program: null, has_token: false, is_on: true, ...more };
}

const SSH: Way = {
  kind: "ssh",
  url: "https://news.example.org",
  server: "server.example.org",
  port: 2222,
  user: "casement",
  server_port: 18200,
  key_file: null,
  host_key: "ssh-ed25519 AAAA",
};

const COMMAND: Way = {
  kind: "command",
  argv: ["/opt/my tunnel/frpc", "-c", "frpc.toml"],
  url: null,
  pattern: "https://*.example.app",
  client_header: "X-Forwarded-For",
};

describe("the ways", () => {
  it("have a page each, and one leads back from its address", () => {
    const kinds = Object.keys(WAYS) as WayKind[];
    for (const kind of kinds) expect(kindOf(hrefOf(kind).split("/").at(-1) ?? "")).toBe(kind);
    expect(kindOf("tunnel")).toBeUndefined();
    expect(hrefOf("command", "Tailscale Funnel")).toBe("#/settings/address/command?recipe=Tailscale%20Funnel");
  });

  it("are all offered to somebody", () => {
    const offered = new Set(HAVINGS.flatMap(({ offers }) => offers.map(({ kind }) => kind)));
    expect([...offered].sort()).toEqual((Object.keys(WAYS) as WayKind[]).sort());
  });
});

describe("a form", () => {
  it.each([
    ["ssh", chosen(SSH, { program: "/opt/ssh", port: 4900 })],
    ["command", chosen(COMMAND)],
    ["proxy", chosen({ kind: "proxy", url: "https://news.example.org" })],
    ["cloudflare_named", chosen({ kind: "cloudflare_named", url: "https://news.example.org" }, { has_token: true })],
    ["cloudflare_quick", chosen({ kind: "cloudflare_quick" })],
  ] as const)("of %s saves what it was made of", (kind, saved) => {
    const request = saveRequest(kind, draftOf(kind, saved));
    expect(request.way).toEqual(saved.way);
    expect(request.port ?? 4806).toBe(saved.port);
    expect(request.program ?? null).toBe(saved.program);
    expect("token" in request, "a token that is kept is not typed anew").toBe(false);
  });

  it("takes the usual numbers and user where nothing is typed", () => {
    const draft = { ...draftOf("ssh", null), url: "news.example.org/", server: " server.example.org " };
    expect(wayOf("ssh", draft)).toEqual({ ...SSH, port: 22, host_key: "" });
  });

  it("keeps the public name when another way is tried, and nothing else", () => {
    const draft = draftOf("proxy", chosen(SSH, { program: "/opt/ssh" }));
    expect(draft).toMatchObject({ url: "https://news.example.org", program: "", server: "" });
    expect(draftOf("ssh", chosen(COMMAND)).url).toBe("");
  });

  it("sends a token only where it belongs", () => {
    const draft = { ...draftOf("cloudflare_named", null), token: " eyJ " };
    expect(saveRequest("cloudflare_named", draft).token).toBe("eyJ");
    expect("token" in saveRequest("cloudflare_quick", draft)).toBe(false);
  });

  it.each([
    ["news.example.org", "https://news.example.org"],
    [" https://news.example.org// ", "https://news.example.org"],
    ["http://news.example.org", "http://news.example.org"],
    ["  ", ""],
  ])("reads the address %j", (typed, url) => {
    expect(urlOf(typed)).toBe(url);
  });

  it("says one address or how to find it, never both", () => {
    const draft = { ...draftOf("command", chosen(COMMAND)), url: "news.example.org" };
    expect(wayOf("command", draft)).toMatchObject({ url: null, pattern: "https://*.example.app" });
    expect(wayOf("command", { ...draft, addressIs: "fixed" })).toMatchObject({ url: "https://news.example.org", pattern: null });
    expect(wayOf("command", { ...draft, pattern: " " })).toMatchObject({ url: null, pattern: null });
  });

  it("takes what a recipe knows, and leaves the address", () => {
    const recipe: Recipe = { name: "x", before: "", argv: ["ngrok", "http", "--url=A B", "{port}"], pattern: null, client_header: null };
    const draft = { ...draftOf("command", chosen(COMMAND)), url: "news.example.org" };
    takeRecipe(draft, recipe);
    expect(draft).toMatchObject({ addressIs: "fixed", pattern: "", clientHeader: "", url: "news.example.org" });
    expect(wayOf("command", draft)).toMatchObject({ argv: recipe.argv });
  });
});

describe("the lines to paste", () => {
  it("are asked for once there is what they are made of", () => {
    const draft = draftOf("ssh", chosen(SSH));
    expect(linesRequest("ssh", { ...draft, url: " " })).toBeNull();
    expect(linesRequest("ssh", draft)).toEqual({ way: { ...SSH, host_key: "" } });
    expect(linesRequest("proxy", { ...draft, port: 4900 })).toEqual({ way: { kind: "proxy", url: "https://news.example.org" }, port: 4900 });
    expect(linesRequest("command", draft)).toBeNull();
  });

  it("are not asked for again because the server's key was read", () => {
    const draft = draftOf("ssh", chosen(SSH));
    expect(linesRequest("ssh", { ...draft, hostKey: "ssh-rsa BBBB" })).toEqual(linesRequest("ssh", draft));
  });
});

describe("a program's words", () => {
  it.each([
    ["Connection refused", "Connection refused"],
    ["שלום, café\t→", "שלום, café\t→"],
    ["is \u202Egood\u202C, \u2066so\u2069 \u200E\u061C", "is ⟨U+202E⟩good⟨U+202C⟩, ⟨U+2066⟩so⟨U+2069⟩ ⟨U+200E⟩⟨U+061C⟩"],
  ])("are shown as they were said: %j", (words, shown) => {
    expect(plainWords(words)).toBe(shown);
  });
});

describe("the state", () => {
  it("is up where readers may come through", () => {
    const of = (runs_program: boolean, state: Parameters<typeof isUp>[0]["state"]): boolean => isUp({ runs_program, state });
    expect([of(true, "live"), of(true, "degraded"), of(true, "probing"), of(true, "stopped"), of(false, "stopped")]).toEqual([true, true, false, false, true]);
  });

  it.each([
    [10, 0, 0, 10],
    [10, 1_000, 3_400, 8],
    [10, 1_000, 60_000, 0],
    [10, 5_000, 4_000, 10],
  ])("counts %d seconds told at %d down at %d", (again, toldAt, now, left) => {
    expect(secondsLeft(again, toldAt, now)).toBe(left);
  });

  it.each([
    [COMMAND, "frpc"],
    [{ ...COMMAND, argv: ["C:\\frp\\frpc.EXE"] }, "frpc"],
    [{ ...COMMAND, argv: [] }, "Another program"],
    [SSH, "Your server hands readers on"],
  ])("names what was chosen", (way, name) => {
    expect(nameOf(way)).toBe(name);
  });
});
