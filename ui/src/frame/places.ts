/** The places of the sidebar, in its order. */
import type { Component } from "svelte";
import type { LucideProps } from "@lucide/svelte";
import ActivityIcon from "@lucide/svelte/icons/activity";
import ChartNoAxesColumn from "@lucide/svelte/icons/chart-no-axes-column";
import House from "@lucide/svelte/icons/house";
import PenLine from "@lucide/svelte/icons/pen-line";
import Send from "@lucide/svelte/icons/send";
import SettingsIcon from "@lucide/svelte/icons/settings";
import Users from "@lucide/svelte/icons/users";
import type { Place } from "../routes";

export interface PlaceEntry {
  place: Place;
  label: string;
  href: string;
  icon: Component<LucideProps>;
  keywords: string[];
}

export const places: readonly PlaceEntry[] = [
  { place: "home", label: "Home", href: "#/", icon: House, keywords: ["start", "overview"] },
  { place: "campaigns", label: "Campaigns", href: "#/campaigns", icon: Send, keywords: ["newsletters", "sending"] },
  { place: "compose", label: "Compose", href: "#/compose", icon: PenLine, keywords: ["write", "new", "draft"] },
  { place: "audience", label: "Audience", href: "#/audience", icon: Users, keywords: ["contacts", "people", "lists", "import"] },
  { place: "report", label: "Report", href: "#/report", icon: ChartNoAxesColumn, keywords: ["opens", "rates", "results"] },
  { place: "activity", label: "Activity", href: "#/activity", icon: ActivityIcon, keywords: ["live", "looks", "log"] },
  { place: "settings", label: "Settings", href: "#/settings", icon: SettingsIcon, keywords: ["accounts", "address", "privacy", "data"] },
];
