/** The launch page's words for what the core counts by reason. */

const SKIP_WORDS: Record<string, [one: string, many: string]> = {
  unsubscribed: ["unsubscribed", "unsubscribed"],
  suppressed: ["gets no mail, as you or they asked", "get no mail, as you or they asked"],
  bounced: ["could not be reached before", "could not be reached before"],
  complained: ["complained before", "complained before"],
  excluded: ["is on a list to leave out", "are on a list to leave out"],
  duplicate: ["has the address of another", "have the address of another"],
  invalid_address: ["has an address that cannot be mailed", "have an address that cannot be mailed"],
  erased: ["was erased", "were erased"],
};

/** Why people of the audience get no mail; an unknown reason is shown as the core names it. */
export function skipWords(reason: string, n: number): string {
  const [one, many] = SKIP_WORDS[reason] ?? [reason.replaceAll("_", " "), reason.replaceAll("_", " ")];
  return n === 1 ? one : many;
}
