/** Where what a finding names is mended. */
import type { CampaignId, Finding } from "$lib/bindings/api";

/** Names the place to go to, or nothing where the sentence has to do. */
export function mendAt(finding: Finding, campaign: CampaignId): { label: string; href: string } | undefined {
  switch (finding.id) {
    case "no_postal_address":
      return { label: "Write it", href: "#/settings/privacy" };
    case "no_address":
    case "question_without_address":
    case "local_address_real_account":
    case "address_temporary":
    case "listener_not_running":
    case "no_unsubscribe_way":
      return { label: "Address settings", href: "#/settings/address" };
    case "account_cannot_log_in":
      return { label: "Open accounts", href: "#/settings/accounts" };
    case "no_account":
    case "no_recipients":
    case "window_ends_before_sending":
      return { label: "Campaign settings", href: `#/compose/${campaign}?panel=settings` };
    case "attachment_missing":
    case "files_too_large":
    case "too_many_files":
    case "heavy_files":
      return { label: "Show the files", href: `#/compose/${campaign}` };
    case "no_subject":
      return { label: "Write it", href: `#/compose/${campaign}` };
    default:
      return undefined;
  }
}
