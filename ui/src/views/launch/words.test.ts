import { describe, expect, it } from "vitest";
import { sampleWords } from "./words";

describe("a mail worth a look", () => {
  it("says what is special about it, and its place only where nothing is", () => {
    expect(sampleWords({ kinds: ["longest", "emptiest", "first"], empty_fields: 2 })).toBe("The largest, the emptiest · 2 fields without a value");
    expect(sampleWords({ kinds: ["last"], empty_fields: 0 })).toBe("Among the last");
    expect(sampleWords({ kinds: ["first"], empty_fields: 1 })).toBe("Among the first · 1 field without a value");
  });
});
