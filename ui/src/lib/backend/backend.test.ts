import { describe, expect, it } from "vitest";
import { CallError } from "./backend";

describe("CallError", () => {
  it.each([
    ["cannot open casement.db: the disk is full", "Cannot open casement.db: the disk is full."],
    ["smtp.example.org refused the login", "smtp.example.org refused the login."],
    ["“news” is taken.", "“news” is taken."],
    ["", ""],
  ])("reads %j as a sentence", (wire, shown) => {
    expect(new CallError({ code: "invalid", message: wire }).message).toBe(shown);
  });

  it("keeps the field to blame", () => {
    expect(CallError.from({ code: "invalid", message: "too long", field: "name" }).field).toBe("name");
    expect(CallError.from({ code: "invalid", message: "too long", field: null }).field).toBeUndefined();
  });

  it("says that the engine cannot be reached when the host itself failed", () => {
    expect(CallError.from(new TypeError("fetch failed")).message).toContain("cannot reach its engine");
  });
});
