/** Words of the table of addresses. */
import type { Permanence } from "$lib/bindings/api";
import { counted } from "$lib/format/number";

/** How long an address lasts, where that is worth a word. */
export function lastsWords(permanence: Permanence | null): string | undefined {
  switch (permanence) {
    case "lent":
      return "Lent";
    case "temporary":
      return "For a while";
    default:
      return undefined;
  }
}

const DAY_MS = 86_400_000;

/** When a certificate ends, in whole days. */
export function certificateWords(until: string, now: number): string {
  const days = Math.floor((Date.parse(until) - now) / DAY_MS);
  if (Date.parse(until) <= now) return "Its certificate has ended.";
  return days === 0 ? "Its certificate ends today." : `Its certificate lasts ${counted(days, "more day")}.`;
}
