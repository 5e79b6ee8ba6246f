/** What the listener says of itself, sorted and summed, and the form that starts it. */
import type { Entrance, ListenerStart, Refused } from "$lib/bindings/api";

/** Reasons that can meet a reader; the others are scanners and broken programs, of which every address sees many. */
const MAY_BE_READERS: ReadonlySet<string> = new Set([
  "evicted",
  "source_busy",
  "source_rate",
  "full",
  "unavailable",
  "accept",
]);

export interface RefusedGroup {
  who: "readers" | "others";
  rows: readonly Refused[];
}

/** Rows keep the core's order, so that none moves while its number grows. Groups without rows are left out. */
export function refusedGroups(refused: readonly Refused[]): RefusedGroup[] {
  const of = (who: RefusedGroup["who"]): RefusedGroup => ({
    who,
    rows: refused.filter(({ reason, n }) => n > 0 && MAY_BE_READERS.has(reason) === (who === "readers")),
  });
  return [of("readers"), of("others")].filter(({ rows }) => rows.length > 0);
}

export function refusedTotal(refused: readonly Refused[]): number {
  return refused.reduce((sum, { n }) => sum + n, 0);
}

function hostOf(url: string): string {
  try {
    return new URL(url).hostname;
  } catch {
    return "";
  }
}

const EVERYWHERE: ReadonlySet<string> = new Set(["0.0.0.0", "[::]"]);

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Who comes in at an entrance, in a few words. */
export function whoComesIn({ url, behind_proxy }: Pick<Entrance, "url" | "behind_proxy">): string {
  if (behind_proxy) return "a proxy or tunnel on this computer";
  const host = hostOf(url);
  if (isLoopback(host)) return "this computer only";
  return EVERYWHERE.has(host) ? "every computer that can reach this one" : "computers that can reach this address";
}

/** The entrance as this computer itself reaches it: "everywhere" is no address to write into a link. */
export function fromHere(url: string): string {
  return url.replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]");
}

/** Where the listener answers when nothing is typed. */
export const USUAL_BIND = "127.0.0.1:4805";

/** The form as it is typed. */
export interface StartForm {
  bind: string;
  behindProxy: string;
  clientHeader: string;
}

/**
 * Reads the form. Who names one entrance keeps the other as it usually is: without it, practice mails could not
 * be opened. A header that no proxy is named for stays alone, and the core says what is missing.
 */
export function startRequest(form: StartForm): ListenerStart {
  const bind = form.bind.trim();
  const behind_proxy = form.behindProxy.trim();
  const client_header = form.clientHeader.trim();
  if (bind === "" && behind_proxy === "") return client_header === "" ? {} : { client_header };
  if (behind_proxy !== "") {
    return { bind: bind || USUAL_BIND, behind_proxy, ...(client_header === "" ? {} : { client_header }) };
  }
  if (client_header !== "") return { bind, client_header };
  return { bind, behind_proxy: "127.0.0.1:0", client_header: "X-Forwarded-For" };
}
