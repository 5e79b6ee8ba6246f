/** When a campaign's first mail leaves, as it is chosen on the launch page. */
import type { CampaignLaunch, WhenLate } from "$lib/bindings/api";

export interface When {
  kind: "now" | "later";
  /** Local, as `datetime-local` has it: `2026-12-01T09:00`. */
  time: string;
  whenLate: WhenLate;
  hasQuiet: boolean;
  /** `21:00`. */
  quietFrom: string;
  quietUntil: string;
}

export function blankWhen(): When {
  return { kind: "now", time: "", whenLate: "ask", hasQuiet: false, quietFrom: "21:00", quietUntil: "08:00" };
}

/** What stands in the way of launching at this time, if anything. */
export function problemOf(when: When, now: string): string | undefined {
  if (when.kind === "later" && when.time === "") return "Choose a day and a time.";
  if (when.kind === "later" && when.time <= now) return "That time has passed.";
  return undefined;
}

/** The part of a launch that says when. */
export function launchOf(when: When, zone: string, delaySecs: number): Pick<CampaignLaunch, "delay_secs" | "at" | "when_late" | "quiet"> {
  const quiet = when.hasQuiet && when.quietFrom !== when.quietUntil
    ? { quiet: { from: `${when.quietFrom}:00`, until: `${when.quietUntil}:00` } }
    : {};
  if (when.kind === "now") return { delay_secs: delaySecs, ...quiet };
  return { delay_secs: 0, at: { time: `${when.time}:00`, zone }, when_late: when.whenLate, ...quiet };
}
