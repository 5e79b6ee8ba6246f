/** The ways to a public address: which fits whom, the form of each as it is typed, and what the core is told. */
import type { Permanence, Recipe, Tunnel, TunnelChosen, TunnelLines, TunnelSave, TunnelState, Way } from "$lib/bindings/api";
import { lineOf, wordsOf } from "./command-line";

export type WayKind = Way["kind"];

/** What somebody has who looks for a way. */
export type Having = "domain" | "server" | "neither";

interface WayWords {
  /** The last part of its page's address. */
  slug: string;
  title: string;
  /** What it is, for those who have to choose. */
  about: string;
  /** Names the parts of its sketch, from the reader to this computer. */
  stations: readonly [string, string, string];
  sketch: Having;
  permanence: Permanence;
}

export const WAYS = {
  proxy: {
    slug: "proxy",
    title: "Your own web server on this computer",
    about:
      "Your router lets readers in, and a small web server here (Caddy or nginx) answers them by https. Nobody stands in between. It needs a line that others can reach, and a computer that stays on.",
    stations: ["Reader", "Your name, at your router", "This computer"],
    sketch: "domain",
    permanence: "own",
  },
  cloudflare_named: {
    slug: "cloudflare",
    title: "Cloudflare holds the line",
    about:
      "For a domain that is looked after by Cloudflare, which costs nothing. A program of theirs keeps a line open from this computer, so nothing is changed at your router. Cloudflare can see what passes.",
    stations: ["Reader", "Your name, at Cloudflare", "This computer"],
    sketch: "server",
    permanence: "own",
  },
  ssh: {
    slug: "ssh",
    title: "Your server hands readers on",
    about:
      "This computer holds an encrypted line (ssh) to your server, and a web server there answers readers by https. Nothing is changed at your router, and it works from any network.",
    stations: ["Reader", "Your server", "This computer"],
    sketch: "server",
    permanence: "own",
  },
  command: {
    slug: "command",
    title: "Another program",
    about: "Any program that leads readers here: Tailscale Funnel, ngrok, frp, zrok, or your own. Casement starts it, watches it and ends it.",
    stations: ["Reader", "A service", "This computer"],
    sketch: "neither",
    permanence: "lent",
  },
  cloudflare_quick: {
    slug: "quick",
    title: "A quick tunnel, for trying out only",
    about:
      "An address without an account, in a minute. It is another one at every start, so what was mailed with it soon leads nowhere, and mail filters distrust such addresses.",
    stations: ["Reader", "Cloudflare, under a chance name", "This computer"],
    sketch: "neither",
    permanence: "temporary",
  },
} satisfies Record<WayKind, WayWords>;

const KINDS = Object.keys(WAYS) as WayKind[];

export function kindOf(slug: string): WayKind | undefined {
  return KINDS.find((kind) => WAYS[kind].slug === slug);
}

export function hrefOf(kind: WayKind, recipe?: string): string {
  const query = recipe === undefined ? "" : `?recipe=${encodeURIComponent(recipe)}`;
  return `#/settings/address/${WAYS[kind].slug}${query}`;
}

/** A way that fits, with the words that are its own at this place. */
export interface Offer {
  kind: WayKind;
  title?: string;
  about?: string;
  /** A program of the custom ways to start from. */
  recipe?: string;
  permanence?: Permanence;
  note?: string;
}

export const HAVINGS: readonly { value: Having; label: string; description: string; stations: string; offers: readonly Offer[] }[] = [
  {
    value: "domain",
    label: "I have a domain",
    description: "A name of your own, such as example.org, that you pay for by the year.",
    stations: "A reader’s telephone finds your name, which leads to this computer.",
    offers: [
      { kind: "cloudflare_named", note: "Easiest" },
      { kind: "proxy" },
      { kind: "ssh", title: "A rented server in front", about: "Where neither fits: a small server from 4 € a month, to which your name leads, hands readers on to this computer." },
    ],
  },
  {
    value: "server",
    label: "I have a server",
    description: "A computer on the internet that is always on, yours or rented, and a name that leads to it.",
    stations: "A reader’s telephone reaches your server, which hands on to this computer.",
    offers: [
      { kind: "ssh", note: "Recommended" },
      { kind: "command", title: "A program that runs there already", about: "If the server runs frp or something like it, Casement starts the part that belongs on this computer.", recipe: "frp", permanence: "own" },
    ],
  },
  {
    value: "neither",
    label: "Neither",
    description: "A service lends you an address, or mails carry none.",
    stations: "A reader’s telephone reaches a service of somebody else, which hands on to this computer.",
    offers: [
      {
        kind: "command",
        title: "Tailscale Funnel",
        about: "Free for one person. The address stays as long as your account and this computer’s name there. No name of your own.",
        recipe: "Tailscale Funnel",
        note: "Fits best",
      },
      { kind: "command", title: "ngrok or zrok", about: "Services with a free tier. Its limits are small for a mailing: see each one’s steps.", recipe: "ngrok" },
      { kind: "cloudflare_quick" },
    ],
  },
];

/** How long an address lasts, in a word and in a sentence. */
export const PERMANENCE_WORDS = {
  own: { label: "Your own", tone: "good", sentence: "It lasts as long as the name is yours." },
  lent: { label: "Lent", tone: "accent", sentence: "It lasts as long as the service lends it to you." },
  temporary: { label: "Temporary", tone: "warn", sentence: "It is another one at the next start." },
} as const satisfies Record<Permanence, { label: string; tone: "good" | "accent" | "warn"; sentence: string }>;

interface StateWords {
  label: string;
  /** What a screen reader says when it comes to this; the same for all that is passed on the way. */
  spoken: string;
  mark: "off" | "busy" | "on" | "doubt" | "stuck";
}

export const STATE_WORDS = {
  stopped: { label: "Off", spoken: "The way is off.", mark: "off" },
  starting: { label: "Connecting", spoken: "The way is being connected.", mark: "busy" },
  url_known: { label: "Connecting", spoken: "The way is being connected.", mark: "busy" },
  probing: { label: "Connected, being tried", spoken: "The way is being connected.", mark: "busy" },
  live: { label: "Connected", spoken: "The way is connected.", mark: "on" },
  degraded: { label: "Connected, in doubt", spoken: "The way is connected.", mark: "doubt" },
  backoff: { label: "Waiting to try again", spoken: "The way is being connected.", mark: "busy" },
  needs_user: { label: "Needs you", spoken: "The way does not work without you.", mark: "stuck" },
} satisfies Record<TunnelState, StateWords>;

/** Readers may come through, as far as is known. */
export function isUp(tunnel: Pick<Tunnel, "runs_program" | "state">): boolean {
  return !tunnel.runs_program || tunnel.state === "live" || tunnel.state === "degraded";
}

/** Seconds that are left of a pause that was told at `toldAt`; both in milliseconds. */
export function secondsLeft(againIn: number, toldAt: number, now: number): number {
  return Math.max(0, Math.ceil(againIn - Math.max(0, now - toldAt) / 1000));
}

/**
 * A program's words as they are shown: what turns the direction of text about, and would make a line read as another
 * one, stands there by its number.
 */
export function plainWords(words: string): string {
  return words.replaceAll(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (sign) => `⟨U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** The name of what was chosen: that of the program where it is none that the window knows. */
export function nameOf(way: Way): string {
  if (way.kind !== "command") return WAYS[way.kind].title;
  const program = way.argv[0]?.split(/[/\\]/).at(-1)?.replace(/\.exe$/i, "");
  return program === undefined || program === "" ? WAYS.command.title : program;
}

/** A way as it is typed. What one way does not have stays as it is. */
export interface WayDraft {
  url: string;
  server: string;
  sshPort: number | null;
  user: string;
  serverPort: number | null;
  keyFile: string;
  hostKey: string;
  line: string;
  addressIs: "fixed" | "read";
  pattern: string;
  clientHeader: string;
  port: number | null;
  program: string;
  token: string;
}

export const USUAL = { sshPort: 22, user: "casement", serverPort: 18200, port: 4806 } as const;

/** The form for a way: as it was saved, where this is the one that was chosen. */
export function draftOf(kind: WayKind, chosen: TunnelChosen | null): WayDraft {
  const draft: WayDraft = {
    url: "",
    server: "",
    sshPort: null,
    user: "",
    serverPort: null,
    keyFile: "",
    hostKey: "",
    line: "",
    addressIs: "fixed",
    pattern: "",
    clientHeader: "",
    port: null,
    program: "",
    token: "",
  };
  if (chosen === null) return draft;
  const own = (value: number, usual: number): number | null => (value === usual ? null : value);
  draft.port = own(chosen.port, USUAL.port);
  const { way } = chosen;
  // A name that leads to one web server leads to the next one, too.
  if ("url" in way && kind !== "cloudflare_quick") draft.url = way.url ?? "";
  if (way.kind !== kind) return draft;
  draft.program = chosen.program ?? "";
  if (way.kind === "ssh") {
    draft.server = way.server;
    draft.sshPort = own(way.port, USUAL.sshPort);
    draft.user = way.user === USUAL.user ? "" : way.user;
    draft.serverPort = own(way.server_port, USUAL.serverPort);
    draft.keyFile = way.key_file ?? "";
    draft.hostKey = way.host_key;
  } else if (way.kind === "command") {
    draft.line = lineOf(way.argv);
    draft.addressIs = way.url === null ? "read" : "fixed";
    draft.pattern = way.pattern ?? "";
    draft.clientHeader = way.client_header ?? "";
  }
  return draft;
}

/** Fills in what a recipe knows; an address that was typed stays. */
export function takeRecipe(draft: WayDraft, recipe: Recipe): void {
  draft.line = lineOf(recipe.argv);
  draft.addressIs = recipe.pattern === null ? "fixed" : "read";
  draft.pattern = recipe.pattern ?? "";
  draft.clientHeader = recipe.client_header ?? "";
}

/** An address as the core wants it: who types a bare name means https. */
export function urlOf(typed: string): string {
  const url = typed.trim().replace(/\/+$/, "");
  return url === "" || url.includes("://") ? url : `https://${url}`;
}

export function wayOf(kind: WayKind, draft: WayDraft): Way {
  const url = urlOf(draft.url);
  switch (kind) {
    case "proxy":
    case "cloudflare_named":
      return { kind, url };
    case "cloudflare_quick":
      return { kind };
    case "ssh":
      return {
        kind,
        url,
        server: draft.server.trim(),
        port: draft.sshPort ?? USUAL.sshPort,
        user: draft.user.trim() || USUAL.user,
        server_port: draft.serverPort ?? USUAL.serverPort,
        key_file: draft.keyFile.trim() || null,
        host_key: draft.hostKey,
      };
    case "command": {
      const isFixed = draft.addressIs === "fixed";
      return {
        kind,
        argv: wordsOf(draft.line).words,
        url: isFixed && url !== "" ? url : null,
        pattern: isFixed ? null : draft.pattern.trim() || null,
        client_header: draft.clientHeader.trim() || null,
      };
    }
  }
}

/** What is saved; a token that was not typed anew stays. */
export function saveRequest(kind: WayKind, draft: WayDraft): TunnelSave {
  const token = draft.token.trim();
  const program = draft.program.trim();
  return {
    way: wayOf(kind, draft),
    ...(draft.port === null ? {} : { port: draft.port }),
    ...(program === "" || kind === "proxy" ? {} : { program }),
    ...(kind === "cloudflare_named" && token !== "" ? { token } : {}),
    use_address: false,
  };
}

/** Asks for the lines to paste, once there is what they are made of; null until then. */
export function linesRequest(kind: WayKind, draft: WayDraft): TunnelLines | null {
  const port = draft.port === null ? {} : { port: draft.port };
  switch (kind) {
    case "proxy":
      return draft.url.trim() === "" ? null : { way: wayOf(kind, draft), ...port };
    case "ssh":
      // The server's own key is in none of the lines: they are there before it was read.
      return draft.url.trim() === "" ? null : { way: { ...wayOf(kind, draft), host_key: "" } as Way, ...port };
    case "cloudflare_named":
      return { way: { kind, url: urlOf(draft.url) }, ...port };
    case "cloudflare_quick":
    case "command":
      return null;
  }
}

/** The fields that the core may blame. */
export const WAY_FIELDS: ReadonlySet<string> = new Set([
  "url",
  "server",
  "user",
  "server_port",
  "key_file",
  "host_key",
  "argv",
  "pattern",
  "client_header",
  "port",
  "program",
  "token",
]);
