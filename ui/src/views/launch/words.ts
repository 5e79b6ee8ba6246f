/** The launch page's words for what the core counts by reason. */

const SKIP_WORDS: Record<string, [one: string, many: string]> = {
  unsubscribed: ["unsubscribed", "unsubscribed"],
  suppressed: ["is on the list of addresses that get no mail", "are on the list of addresses that get no mail"],
  erased: ["was erased", "were erased"],
  render_failed: ["has a mail that could not be written", "have mails that could not be written"],
};

/** Why people of the audience get no mail; an unknown reason is shown as the core names it. */
export function skipWords(reason: string, n: number): string {
  const [one, many] = SKIP_WORDS[reason] ?? [reason.replaceAll("_", " "), reason.replaceAll("_", " ")];
  return n === 1 ? one : many;
}
