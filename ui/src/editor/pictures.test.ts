import { describe, expect, it } from "vitest";
import { connectTo, type Backend } from "$lib/backend/backend";
import { digestsIn, loadPicture, ownDigest, withPictures } from "./pictures.svelte";

const digest = "0123456789abcdef".repeat(4);
const html = `<img src="cid:${digest}@picture.casement" alt="A"><img src="cid:${digest}@picture.casement"><img src="cid:other@example.org">`;

describe("pictures of a campaign's own", () => {
  it("are known by their whole digest", () => {
    expect(ownDigest(`picture:${digest}`)).toBe(digest);
    expect(ownDigest(`picture:${digest}0`)).toBeNull();
    expect(ownDigest("https://example.org/a.png")).toBeNull();
    expect(digestsIn(html)).toEqual([digest]);
  });

  it("are fetched once and put where the mail names them", async () => {
    let calls = 0;
    const call = async (): Promise<unknown> => {
      calls += 1;
      return { media_type: "image/png", base64: "AAAA" };
    };
    connectTo({ call } as unknown as Backend);
    expect(withPictures(html)).toBe(html);
    await Promise.all([loadPicture(digest), loadPicture(digest)]);
    await loadPicture(digest);
    expect(calls).toBe(1);
    expect(withPictures(html)).toBe(
      `<img src="data:image/png;base64,AAAA" alt="A"><img src="data:image/png;base64,AAAA"><img src="cid:other@example.org">`,
    );
  });
});
