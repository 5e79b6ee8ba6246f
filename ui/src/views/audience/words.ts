/** A person's word on tracking, in words, and as whom one shows them. */
import type { ConsentEvent, ConsentState, ContactRow } from "$lib/bindings/api";
import { dateTime, day } from "$lib/format/time";

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

/** What is held of a person's word, told apart by whether they were asked. */
export function consentTitle(consent: ConsentState, askedAt: string | null): string {
  return consent === "unknown" && askedAt !== null ? "Asked, no answer yet" : CONSENT_TITLES[consent];
}

/** When a word was said. Of what a browser sent only the day is kept, in UTC. */
export function eventTime({ at, source }: Pick<ConsentEvent, "at" | "source">): string {
  return source === "browser signal" ? day(at, "UTC") : dateTime(at);
}

export const CONSENTS = ["granted", "refused", "unknown"] as const satisfies readonly ConsentState[];

/** `Ana Li`, or the address of someone without a name. */
export function nameOf({ first_name, last_name, email }: Pick<ContactRow, "first_name" | "last_name" | "email">): string {
  return `${first_name} ${last_name}`.trim() || email;
}
