/** The core's states in the window's words, each in one place. */
import type { Mark } from "$components/marks";
import type {
  CampaignRow,
  CampaignState,
  HitClass,
  MessageState,
  NotTrackedReason,
  RateParts,
  RecipientFilter,
  Signal,
} from "$lib/bindings/api";
import type { RangeFigures } from "$charts/range";
import { counted } from "$lib/format/number";

export const MARK_OF_SIGNAL = {
  human: "human",
  unknown: "unknown",
  machine_only: "machine",
  no_signal: "none",
} satisfies Record<Signal, Mark>;

export const FILTER_OF_MARK = {
  human: "human",
  unknown: "unknown",
  machine: "machine_only",
  none: "no_signal",
  untracked: "not_tracked",
} satisfies Record<Mark, RecipientFilter>;

export const MARK_OF_CLASS = {
  human_direct: "human",
  human_proxy: "human",
  machine_prefetch: "machine",
  scanner: "machine",
  bot: "machine",
  library: "machine",
  unknown: "unknown",
} satisfies Record<HitClass, Mark>;

/** What comes beside a look may change what it is taken for; the core judges it again after this. */
const CHECKING_MS = 3 * 60_000;

/** Is a look so young that its verdict may still change? */
export function isChecked(lookedAt: string | null, now: number): boolean {
  return lookedAt === null || Date.parse(lookedAt) + CHECKING_MS <= now;
}

export const CLASS_WORDS = {
  human_direct: "mail clients and browsers",
  human_proxy: "image proxies when a person looks",
  machine_prefetch: "prefetchers",
  scanner: "scanners",
  bot: "bots",
  library: "programs",
  unknown: "unknown",
} satisfies Record<HitClass, string>;

const SKIP_WORDS: Record<string, string> = {
  unsubscribed: "had unsubscribed",
  suppressed: "mail to the address is stopped",
  erased: "was erased",
  render_failed: "the mail could not be made for them",
  not_to_be_asked: "was asked in the last six months, or has answered",
};

/** Why somebody of the audience got no mail. */
export function skipWords(reason: string): string {
  return SKIP_WORDS[reason] ?? reason.replaceAll("_", " ");
}

export const MESSAGE_WORDS = {
  planned: "planned",
  queued: "waiting",
  handing_over: "being handed over",
  accepted: "accepted",
  deferred: "put off, will be tried again",
  rejected: "rejected",
  uncertain: "uncertain",
  cancelled: "cancelled",
  skipped: "skipped",
} satisfies Record<MessageState, string>;

export const NOT_TRACKED_WORDS = {
  refused: "asked not to be tracked",
  unknown_consent: "were not asked yet",
  campaign_off: "tracking is off for this campaign",
  shared_pixel: "got the shared pixel",
  no_address: "sent without a public address",
  frequency_cap: "had enough tracked mails this month",
  asks_consent: "are being asked",
  erased: "were erased, or what was recorded of them",
} satisfies Record<NotTrackedReason, string>;

export type CampaignPhase = CampaignState | "starting" | "scheduled";

/** The state on screen: a running campaign is "starting" or "scheduled" until its first mail may leave. */
export function phaseOf(campaign: Pick<CampaignRow, "state" | "first_mail_at" | "scheduled">, now: number): CampaignPhase {
  if (campaign.state !== "running" || campaign.first_mail_at === null) return campaign.state;
  if (Date.parse(campaign.first_mail_at) <= now) return "running";
  return campaign.scheduled ? "scheduled" : "starting";
}

export const PHASE_WORDS = {
  draft: "Draft",
  preparing: "Preparing",
  prepared: "Ready to launch",
  starting: "Starting",
  scheduled: "Scheduled",
  running: "Sending",
  paused: "Paused",
  finished: "Sent",
  cancelled: "Cancelled",
} satisfies Record<CampaignPhase, string>;

export const PHASE_TONES = {
  draft: "plain",
  preparing: "accent",
  prepared: "accent",
  starting: "accent",
  scheduled: "accent",
  running: "accent",
  paused: "warn",
  finished: "plain",
  cancelled: "plain",
} satisfies Record<CampaignPhase, "plain" | "accent" | "good" | "warn" | "danger">;

/** How far sending is: mails that are done with, of those that were to be sent. */
export function sendingOf(counts: Record<string, number>): { done: number; total: number } {
  const of = (...states: MessageState[]): number => states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  const done = of("accepted", "rejected", "uncertain");
  return { done, total: done + of("planned", "queued", "handing_over", "deferred") };
}

/** Where a campaign is best looked at in its state. */
export function campaignHref(campaign: Pick<CampaignRow, "id" | "state">): string {
  switch (campaign.state) {
    case "draft":
      return `#/compose/${campaign.id}`;
    case "preparing":
    case "prepared":
      return `#/launch/${campaign.id}`;
    case "running":
    case "paused":
    case "cancelled":
      return `#/campaigns/${campaign.id}`;
    case "finished":
      return `#/report/${campaign.id}`;
  }
}

/** A report's parts as the range draws them. */
export function rangeOf(
  rate: RateParts,
  more: { estimate?: number | null; interval?: [number, number] | null; reachable_share?: number | null } = {},
): RangeFigures {
  return {
    parts: { human: rate.confirmed, unknown: rate.unknown, machine: rate.machine_only, none: rate.no_signal },
    tracked: rate.tracked,
    accepted: rate.accepted,
    low: rate.confirmed_rate,
    high: rate.upper_rate,
    likely: more.estimate ?? null,
    likelyWithin: more.interval ?? null,
    reachableShare: more.reachable_share ?? null,
  };
}

/** Why nothing was measured, in a sentence; undefined where something was. */
export function unmeasuredReason(rate: RateParts): string | undefined {
  switch (rate.unmeasured) {
    case null:
      return undefined;
    case "nothing_accepted":
      return "No mail of this campaign was accepted yet.";
    case "not_open":
      return "The window has not opened yet, and nothing came before it.";
    case "never_reachable":
      return (
        "Readers’ mail clients could not reach this computer at any time in the window so far. " +
        `${counted(rate.tracked, "mail carries a pixel", "mails carry a pixel")}; nothing came, and nothing could have come.`
      );
    case "no_pixel":
      return untrackedReason(rate);
  }
}

function untrackedReason(rate: RateParts): string | undefined {
  const { total: _total, ...reasons } = rate.not_tracked;
  const largest = Object.entries(reasons).sort(([, a], [, b]) => (b ?? 0) - (a ?? 0))[0]?.[0];
  const words = {
    refused: "Everyone asked not to be tracked.",
    unknown_consent: "Nobody was asked yet whether they may be tracked, so the mails carried no pixel.",
    campaign_off: "Tracking is off for this campaign: its mails carried no pixel.",
    shared_pixel: "The mails carried a shared pixel, which counts loads but tells nobody apart.",
    no_address: "The mails were sent without a public address, so they carried no pixel.",
    frequency_cap: "Everyone had enough tracked mails this month, so the mails carried no pixel.",
    asks_consent: "The mails ask whether opens may be counted, and count nothing themselves.",
    erased: "The recipients were erased, or what was recorded of them.",
  } satisfies Record<NotTrackedReason, string>;
  return words[largest as NotTrackedReason];
}
