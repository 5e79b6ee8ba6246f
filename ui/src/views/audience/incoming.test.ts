import { describe, expect, it } from "vitest";
import type { IncomingResult } from "$lib/bindings/api";
import { applyWords, changes, numbers } from "./incoming.svelte";

const of = (counts: IncomingResult["counts"], addresses = 0): IncomingResult => ({
  read: 0,
  counts,
  addresses,
  rows: [],
  dry_run: true,
});

describe("what came back, in numbers", () => {
  it("names the kinds in their order and leaves out what is not there", () => {
    expect(numbers(of({ not_understood: 4, delayed: 2, bounced: 12, unsubscribed: 3 }))).toBe(
      "12 bounced, 3 unsubscribed, 2 delayed, 4 not understood",
    );
    expect(numbers(of({}))).toBe("Nothing was read");
  });

  it("says on the button whom it concerns", () => {
    expect(applyWords(of({ bounced: 1 }, 1))).toBe("Stop mail to 1 address");
    expect(applyWords(of({ bounced: 12, complained: 1, delayed: 9 }, 2))).toBe("Stop mail to 2 addresses");
    expect(applyWords(of({ refused: 1 }))).toBe("Note what came back");
    expect(changes(of({ delayed: 9, known: 1 }))).toBe(0);
    expect(changes(of({ bounced: 2, refused: 1 }))).toBe(3);
    // Of people who get no mail already, that their mails came back is still worth a note.
    expect(applyWords(of({ bounced: 1 }))).toBe("Note what came back");
  });
});
