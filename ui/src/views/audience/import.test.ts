import { describe, expect, it } from "vitest";
import { fieldName, fileName } from "./import.svelte";

describe("an import", () => {
  it.each([
    ["Club name", "club_name"],
    ["Straße / Nr.", "straße_nr"],
    ["2024", "_2024"],
    ["Ort", "ort"],
    ["שם", "שם"],
    ["In", "in_"],
    ["", "field"],
  ])("makes %j a field called %j", (header, field) => expect(fieldName(header)).toBe(field));

  it("names a file by the end of its path", () => {
    expect([fileName("/home/a/members.csv"), fileName("C:\\people\\members.csv"), fileName("members.csv")]).toEqual([
      "members.csv", "members.csv", "members.csv",
    ]);
  });
});
