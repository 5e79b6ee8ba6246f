/** The launch page's words for what the core counts by reason. */
import type { Sample, SampleKind } from "$lib/bindings/api";
import { counted } from "$lib/format/number";

const SKIP_WORDS: Record<string, [one: string, many: string]> = {
  unsubscribed: ["who unsubscribed", "who unsubscribed"],
  suppressed: ["whose mail is stopped", "whose mail is stopped"],
  erased: ["who was erased", "who were erased"],
  not_to_be_asked: ["who has answered or was asked in the last six months", "who have answered or were asked in the last six months"],
  render_failed: ["whose mail could not be written", "whose mails could not be written"],
};

/** Whom a campaign leaves out, after their number: `14 who unsubscribed`. A reason without words is shown as the core names it. */
export function skipWords(reason: string, n: number): string {
  const [one, many] = SKIP_WORDS[reason] ?? [`(${reason.replaceAll("_", " ")})`, `(${reason.replaceAll("_", " ")})`];
  return n === 1 ? one : many;
}

const SAMPLE_WORDS = {
  longest: "the largest",
  shortest: "the smallest",
  emptiest: "the emptiest",
  first: "among the first",
  last: "among the last",
} satisfies Record<SampleKind, string>;

/** Why a mail is worth a look: `The emptiest · 2 fields without a value`. Its place in the list only where nothing else is to be said. */
export function sampleWords(sample: Pick<Sample, "kinds" | "empty_fields">): string {
  const special = sample.kinds.filter((kind) => kind !== "first" && kind !== "last");
  const words = (special.length > 0 ? special : sample.kinds).map((kind) => SAMPLE_WORDS[kind]).join(", ");
  const start = words.charAt(0).toUpperCase() + words.slice(1);
  return sample.empty_fields === 0 ? start : `${start} · ${counted(sample.empty_fields, "field")} without a value`;
}
