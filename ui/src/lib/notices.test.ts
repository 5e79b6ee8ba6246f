import { describe, expect, it } from "vitest";
import { noticesOf } from "./notices";

const calm = { last_error: null, spooled: 0, alarm: null };

describe("what the user should know of the listener", () => {
  it("is nothing where all is well", () => {
    expect(noticesOf(calm)).toEqual([]);
  });

  it("says first what is wrong now, then what waits, then what happened", () => {
    const all = noticesOf({ last_error: "The disk is full.", spooled: 12, alarm: "Once somebody pressed a button." });
    expect(all.map(({ kind }) => kind)).toEqual(["problem", "spool", "alarm"]);
    expect(all[0]?.text).toBe("The disk is full.");
  });

  it("counts what waits on disk, and does not warn of what is not lost", () => {
    const [many] = noticesOf({ ...calm, spooled: 1_204 });
    expect(many).toMatchObject({ tone: "info", title: "1,204 requests wait on disk for the database" });
    expect(many?.text).toContain("Nothing is lost");
    expect(noticesOf({ ...calm, spooled: 1 })[0]?.title).toBe("1 request waits on disk for the database");
  });
});
