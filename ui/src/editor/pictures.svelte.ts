/**
 * Pictures that a campaign carries itself, as addresses that a frame without a network can show.
 *
 * A mail names them by Content-ID (`cid:`), a document by `picture:` and the same digest; the bytes come from the core
 * once, and never change under their digest.
 */
import { backend } from "$lib/backend/backend";

const CID = /cid:([0-9a-f]{64})@picture\.casement/g;
const OWN = /^picture:([0-9a-f]{64})$/;

/** What is kept: a mail has a handful, and each may have megabytes. */
const MOST = 24;

let known = $state.raw<ReadonlyMap<string, string>>(new Map());
const asked = new Set<string>();

/** The digest of a campaign's own picture in a document's address; null for one on the web. */
export function ownDigest(src: string): string | null {
  return OWN.exec(src)?.[1] ?? null;
}

/** The pictures that a mail's HTML names. */
export function digestsIn(html: string): string[] {
  return [...new Set([...html.matchAll(CID)].map(([, digest]) => digest ?? ""))];
}

/** Fetches a picture once. One that cannot be had is asked for again the next time it is shown. */
export async function loadPicture(digest: string): Promise<void> {
  if (known.has(digest) || asked.has(digest)) return;
  asked.add(digest);
  try {
    const { media_type, base64 } = await backend.call("picture_get", { digest });
    const rest = [...known].slice(-(MOST - 1));
    known = new Map([...rest, [digest, `data:${media_type};base64,${base64}`]]);
  } catch {
    // The frame shows the picture's description in its place, and a finding says what is wrong.
  } finally {
    asked.delete(digest);
  }
}

/** The picture's address once it is there. */
export function pictureUrl(digest: string): string | undefined {
  return known.get(digest);
}

/** The mail's HTML with its own pictures in it, as far as they are there. */
export function withPictures(html: string): string {
  return html.replace(CID, (whole, digest: string) => known.get(digest) ?? whole);
}
