/** An account as it is typed, and well-known providers whose settings nobody should have to look up. */
import type { Account, AccountKind, AccountProvider, AccountSave, AccountState, Certificate, TestStepKind, Tls } from "$lib/bindings/api";
import { signInDraftOf, signInRequestOf, type SignInDraft } from "./sign-in";

export interface AccountDraft {
  name: string;
  host: string;
  port: string;
  tls: Tls;
  user: string;
  password: string;
  fromName: string;
  fromAddress: string;
  replyTo: string;
  connections: string;
  provider: string;
  perSecond: string;
  perMinute: string;
  perHour: string;
  perDay: string;
  perDomain: string;
  signIn: SignInDraft;
  /** Taken in this form, and not saved yet. */
  certificate: Certificate | undefined;
}

export const PORTS = { none: 25, starttls: 587, tls: 465 } satisfies Record<Tls, number>;

/** SMTP submission as the providers publish it; by the domain of the address. */
const PROVIDERS: Record<string, { host: string; port: number; tls: Tls; hint?: string }> = {
  "gmail.com": { host: "smtp.gmail.com", port: 465, tls: "tls", hint: "Gmail wants an app password here, not that of your account." },
  "googlemail.com": { host: "smtp.gmail.com", port: 465, tls: "tls", hint: "Gmail wants an app password here, not that of your account." },
  "icloud.com": { host: "smtp.mail.me.com", port: 587, tls: "starttls", hint: "iCloud wants an app-specific password." },
  "me.com": { host: "smtp.mail.me.com", port: 587, tls: "starttls", hint: "iCloud wants an app-specific password." },
  "yahoo.com": { host: "smtp.mail.yahoo.com", port: 465, tls: "tls", hint: "Yahoo wants an app password." },
  "fastmail.com": { host: "smtp.fastmail.com", port: 465, tls: "tls", hint: "Fastmail wants an app password." },
  "gmx.de": { host: "mail.gmx.net", port: 587, tls: "starttls" },
  "gmx.net": { host: "mail.gmx.net", port: 587, tls: "starttls" },
  "web.de": { host: "smtp.web.de", port: 587, tls: "starttls" },
  "posteo.de": { host: "posteo.de", port: 465, tls: "tls" },
  "mailbox.org": { host: "smtp.mailbox.org", port: 465, tls: "tls" },
  "zoho.com": { host: "smtp.zoho.com", port: 465, tls: "tls" },
};

export function providerOf(address: string): { host: string; port: number; tls: Tls; hint?: string } | undefined {
  return PROVIDERS[address.split("@")[1]?.trim().toLowerCase() ?? ""];
}

export function draftOf(account: Account | null, kind: AccountKind): AccountDraft {
  return {
    name: account?.name ?? (kind === "outbox" ? "Practice outbox" : ""),
    host: account?.host ?? "",
    port: String(account?.port ?? PORTS.starttls),
    tls: account?.tls ?? "starttls",
    user: account?.user ?? "",
    password: "",
    fromName: account?.from_name ?? "",
    fromAddress: account?.from_address ?? "",
    replyTo: account?.reply_to ?? "",
    connections: String(account?.connections ?? 2),
    provider: account?.provider ?? "custom",
    perSecond: limitText(account?.per_second),
    perMinute: limitText(account?.per_minute),
    perHour: limitText(account?.per_hour),
    perDay: limitText(account?.per_day),
    perDomain: limitText(account?.per_domain),
    signIn: signInDraftOf(account),
    certificate: undefined,
  };
}

/** Takes a provider's server and limits into what is typed. */
export function takePreset(draft: AccountDraft, preset: AccountProvider): void {
  draft.provider = preset.id;
  draft.host = preset.host;
  draft.port = String(preset.port);
  draft.tls = preset.tls;
  draft.connections = String(preset.connections);
  draft.perSecond = limitText(preset.per_second);
  draft.perMinute = limitText(preset.per_minute);
  draft.perHour = limitText(preset.per_hour);
  draft.perDay = limitText(preset.per_day);
}

export const STANDING_WORDS = {
  ready: "Ready",
  slow: "Slower for a while",
  full: "Day's limit reached",
  waiting: "Waits for its server",
  blocked: "Needs you",
} satisfies Record<AccountState, string>;

/** The draft as the core takes it. An empty password keeps the secret that there is. */
export function requestOf(draft: AccountDraft, account: Account | null, kind: AccountKind): AccountSave {
  const isOutbox = kind === "outbox";
  return {
    ...(account === null ? {} : { id: account.id }),
    name: draft.name.trim() || draft.fromAddress.trim(),
    kind,
    host: isOutbox ? "" : draft.host.trim(),
    port: isOutbox ? 0 : whole(draft.port),
    tls: isOutbox ? "none" : draft.tls,
    user: isOutbox ? "" : draft.user.trim(),
    ...(isOutbox || draft.password === "" || draft.signIn.way !== "password" ? {} : { password: draft.password }),
    ...(isOutbox ? {} : signInRequestOf(draft.signIn)),
    ...(isOutbox || draft.certificate === undefined ? {} : { certificate: draft.certificate.certificate }),
    from_name: draft.fromName.trim(),
    from_address: draft.fromAddress.trim(),
    reply_to: draft.replyTo.trim(),
    connections: whole(draft.connections),
    provider: draft.provider,
    per_second: limit(draft.perSecond),
    per_minute: limit(draft.perMinute),
    per_hour: limit(draft.perHour),
    per_day: limit(draft.perDay),
    per_domain: limit(draft.perDomain),
  };
}

/** A limit as it is typed: empty is none. */
export function limitText(limit: number | undefined): string {
  return limit === undefined || limit === 0 ? "" : String(limit);
}

function limit(text: string): number {
  const n = Number.parseInt(text, 10);
  return Number.isFinite(n) && n > 0 ? n : 0;
}

function whole(text: string): number {
  const n = Number.parseInt(text, 10);
  return Number.isFinite(n) && n > 0 ? Math.min(n, 65_535) : 0;
}

export const STEP_WORDS = {
  dns: "Find the server",
  port: "Reach its port",
  tls: "Encrypt the connection",
  certificate: "Check its certificate",
  login: "Log in",
} satisfies Record<TestStepKind, string>;
