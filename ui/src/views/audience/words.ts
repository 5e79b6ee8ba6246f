/** A person's word on tracking, in words, and as whom one shows them. */
import type { ConsentState, ContactRow } from "$lib/bindings/api";

export const CONSENT_WORDS = {
  granted: "allowed",
  refused: "refused",
  unknown: "not asked",
} satisfies Record<ConsentState, string>;

export const CONSENT_TITLES = {
  granted: "Allowed tracking",
  refused: "Refused tracking",
  unknown: "Not asked yet",
} satisfies Record<ConsentState, string>;

export const CONSENTS = ["granted", "refused", "unknown"] as const satisfies readonly ConsentState[];

/** `Ana Li`, or the address of someone without a name. */
export function nameOf({ first_name, last_name, email }: Pick<ContactRow, "first_name" | "last_name" | "email">): string {
  return `${first_name} ${last_name}`.trim() || email;
}
