/** What the palette offers on every page. */
import Moon from "@lucide/svelte/icons/moon";
import Sun from "@lucide/svelte/icons/sun";
import SunMoon from "@lucide/svelte/icons/sun-moon";
import Send from "@lucide/svelte/icons/send";
import type { CampaignRow } from "$lib/bindings/api";
import type { Action } from "$lib/palette.svelte";
import { router } from "$lib/router.svelte";
import { campaignHref } from "$lib/words";
import { setTheme } from "$lib/theme";
import { places } from "./places";

export const globalActions: readonly Action[] = [
  ...places.map((entry): Action => ({
    id: `go-${entry.place}`,
    label: entry.label,
    group: "Go to",
    icon: entry.icon,
    keywords: entry.keywords,
    run: () => router.go(entry.href),
  })),
  { id: "light", label: "Light theme", group: "Window", icon: Sun, run: () => void setTheme("light") },
  { id: "dark", label: "Dark theme", group: "Window", icon: Moon, run: () => void setTheme("dark") },
  { id: "system", label: "Theme as the system has it", group: "Window", icon: SunMoon, run: () => void setTheme("system") },
];

const MAX_CAMPAIGNS = 50;

/** The newest campaigns by name, each where it is best looked at in its state. */
export function campaignActions(campaigns: readonly CampaignRow[]): readonly Action[] {
  return campaigns.slice(0, MAX_CAMPAIGNS).map((campaign) => ({
    id: `campaign-${campaign.id}`,
    label: campaign.name,
    group: "Campaigns",
    icon: Send,
    keywords: [campaign.subject],
    run: () => router.go(campaignHref(campaign)),
  }));
}
