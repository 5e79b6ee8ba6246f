/** What was seen of the public address from outside, as a mark and words. */
import type { ProbeVerdict, Reach } from "$lib/bindings/api";

export interface Look {
  tone: "good" | "warn" | "danger";
  word: string;
  sentence: string;
}

/** Misses in a row from which on readers are known not to get through; the core says so too. */
const MISSES = 3;

const WORDS = {
  ok: "Readers get through",
  interstitial: "A page stands in between",
  redirect: "It leads to another address",
  cached: "Answers are kept on the way",
  plain_http: "It is not https",
  certificate: "The certificate is refused",
  other_casement: "Another Casement answers",
  foreign: "Something else answers",
  nothing_behind: "Nothing stands behind it",
  name: "The name is not known",
  refused: "Nothing answers there",
  timeout: "No answer",
  no_network: "No internet",
  cannot_self_test: "It cannot be seen from here",
} as const satisfies Record<ProbeVerdict, string>;

export function lookOf(reach: Reach | undefined): Look {
  const probe = reach?.probe;
  if (reach === undefined || probe === undefined || probe === null) {
    const sentence =
      reach?.listening === false
        ? "The listener is off, so nothing here could answer. Start it below."
        : "Whether readers get through is not known until Casement has looked once.";
    return { tone: "warn", word: "Not yet looked", sentence };
  }
  const word = WORDS[probe.verdict];
  if (!reach.listening) return { tone: "warn", word: "Readers cannot get through now", sentence: "The listener is off. Start it below." };
  if (probe.verdict === "ok") return { tone: "good", word, sentence: probe.sentence };
  // What may be the router's doing, or bad luck, is not called broken.
  const isSure = reach.misses >= MISSES;
  return { tone: isSure ? "danger" : "warn", word, sentence: probe.sentence };
}

/** When Casement looks again by itself. */
export function untilNext(reach: Reach, now: number): string {
  if (!reach.listening) return "once the listener runs";
  if (reach.next_probe_at === null) return "only when you ask: this name is reserved for examples and tests";
  const seconds = Math.ceil((Date.parse(reach.next_probe_at) - now) / 1000);
  if (seconds <= 5) return "in a moment";
  return seconds < 60 ? `in ${String(seconds)} seconds` : "in about a minute";
}
