/** The one table of routes. Views load when they are first shown. */
import type { Component } from "svelte";

export type Place = "home" | "campaigns" | "compose" | "audience" | "report" | "activity" | "settings";

/** What every view gets; the query stands in `router.location.query`. */
export interface ViewProps {
  params: Record<string, string>;
}

/** A view that needs no parameters declares no props. */
export type ViewComponent = Component<ViewProps> | Component<Record<string, never>>;

type View = { default: ViewComponent };

export interface Route {
  pattern: string;
  /** The place that the sidebar marks. */
  place: Place;
  /** "whole" takes the window without the sidebar, as the first start does. */
  frame?: "sidebar" | "whole";
  load: () => Promise<View>;
}

const home = () => import("./views/home/Home.svelte");
const campaigns = () => import("./views/campaigns/Campaigns.svelte");
const campaign = () => import("./views/campaigns/Campaign.svelte");
const compose = () => import("./views/compose/Compose.svelte");
const launch = () => import("./views/launch/Launch.svelte");
const audience = () => import("./views/audience/Audience.svelte");
const report = () => import("./views/report/Report.svelte");
const activity = () => import("./views/activity/Activity.svelte");
const settings = () => import("./views/settings/Settings.svelte");
const way = () => import("./views/settings/WaySetUp.svelte");
const outbox = () => import("./views/outbox/Outbox.svelte");
const welcome = () => import("./views/welcome/Welcome.svelte");

export const routes: readonly Route[] = [
  { pattern: "/", place: "home", load: home },
  { pattern: "/campaigns", place: "campaigns", load: campaigns },
  { pattern: "/campaigns/:id", place: "campaigns", load: campaign },
  { pattern: "/compose", place: "compose", load: compose },
  { pattern: "/compose/:id", place: "compose", load: compose },
  { pattern: "/campaigns/:id/launch", place: "campaigns", load: launch },
  { pattern: "/launch/:id", place: "campaigns", load: launch },
  { pattern: "/audience", place: "audience", load: audience },
  { pattern: "/audience/:tab", place: "audience", load: audience },
  { pattern: "/audience/:tab/:id", place: "audience", load: audience },
  { pattern: "/report", place: "report", load: report },
  { pattern: "/report/:id", place: "report", load: report },
  { pattern: "/activity", place: "activity", load: activity },
  { pattern: "/outbox", place: "campaigns", load: outbox },
  { pattern: "/outbox/:id", place: "campaigns", load: outbox },
  { pattern: "/settings", place: "settings", load: settings },
  { pattern: "/settings/:section", place: "settings", load: settings },
  { pattern: "/settings/address/:way", place: "settings", load: way },
  { pattern: "/welcome", place: "home", frame: "whole", load: welcome },
];
