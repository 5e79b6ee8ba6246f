/** The launch page's words for what the core counts by reason. */

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
