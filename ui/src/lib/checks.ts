/** Words for what a check finds. */
import type { CheckFinding, CheckSeverity, CheckTopic } from "$lib/bindings/api";

export const TOPIC_WORDS = {
  spf: "Allowed servers (SPF)",
  dkim: "Signing key (DKIM)",
  dmarc: "Policy (DMARC)",
  mx: "Incoming mail (MX)",
  ptr: "Server’s name (PTR)",
  signature: "Signature",
  one_click: "One-click unsubscribe",
  alignment: "Signature and sender",
  received: "At the receiver",
} satisfies Record<CheckTopic, string>;

export const SEVERITY_WORDS = {
  good: "Good",
  unknown: "Not known",
  warn: "Could be better",
  bad: "Needs mending",
} satisfies Record<CheckSeverity, string>;

/** The whole in one sentence. */
export function summary(findings: readonly CheckFinding[]): string {
  const of = (severity: CheckSeverity): number => findings.filter((found) => found.severity === severity).length;
  const [bad, warn, unknown] = [of("bad"), of("warn"), of("unknown")];
  if (bad > 0) return bad === 1 ? "One thing needs mending." : `${bad} things need mending.`;
  if (warn > 0) return warn === 1 ? "Good, and one thing could be better." : `Good, and ${warn} things could be better.`;
  if (unknown > 0) return "Nothing is wrong as far as could be seen.";
  return "All is as it should be.";
}
