import { describe, expect, it } from "vitest";
import { lineOf, shellSign, wordsOf } from "./command-line";

describe("a line as it is typed", () => {
  it.each([
    ["", []],
    ["   ", []],
    ["tailscale funnel {port}", ["tailscale", "funnel", "{port}"]],
    ["  a\tb \n c ", ["a", "b", "c"]],
    [`'/Applications/My Tunnel' --name "Ana's club"`, ["/Applications/My Tunnel", "--name", "Ana's club"]],
    [`--a="b c"d`, ["--a=b cd"]],
    [`a '' ""`, ["a", "", ""]],
    ["a\\ b", ["a b"]],
    [`"a \\"b\\""`, [`a "b"`]],
    [`'a\\'`, ["a\\"]],
    [`C:\\frp\\frpc.exe -c C:\\frp\\frpc.toml`, ["C:\\frp\\frpc.exe", "-c", "C:\\frp\\frpc.toml"]],
    ["\\\\server\\share\\frpc", ["\\\\server\\share\\frpc"]],
    ["נתיב 'שלום עולם'", ["נתיב", "שלום עולם"]],
  ])("cuts %j", (line, words) => {
    expect(wordsOf(line)).toEqual({ words });
  });

  it("says that a quote is missing, and shows what there is so far", () => {
    expect(wordsOf(`frpc "my file`)).toEqual({ words: ["frpc", "my file"], problem: `A quote " is opened and not closed.` });
  });

  it.each([
    [["frpc", "-c", "/path/to my/frpc.toml"]],
    [["a", "", "it's", `say "no"`, `'`, `"`, `'"'`, "it's \\", "\\'"]],
    [["C:\\Program Files\\x\\", "--at", "C:\\x\\"]],
    [["ngrok", "http", "--url=news.example.org", "{port}"]],
  ])("writes %j so that it is cut the same again", (words) => {
    expect(wordsOf(lineOf(words))).toEqual({ words });
  });

  it.each([
    ["a > b", ">"],
    ["a 2> b", "2>"],
    ["a | b", "|"],
    ["a && b", "&&"],
    ["a; b", "a;"],
    ["a $(b)", "$(b)"],
    ["a --url=https://x.example.org/?a=1&b=2", undefined],
    ["frpc -c x.toml", undefined],
  ])("knows the sign of a shell in %j", (line, sign) => {
    expect(shellSign(wordsOf(line).words)).toBe(sign);
  });
});
