/** An account as it is typed, and the providers whose settings nobody should have to look up. */
import type { Account, AccountKind, AccountProvider, AccountSave, AccountState, Certificate, SignInService, TestStepKind, Tls } from "$lib/bindings/api";
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

/** The provider that an address is at, by its domain. */
export function providerOf(providers: readonly AccountProvider[], address: string): AccountProvider | undefined {
  const domain = address.split("@")[1]?.trim().toLowerCase() ?? "";
  return providers.find(({ domains }) => domains.includes(domain));
}

/** The provider that somebody with this address signs in at: the one of the address, or else the one for organisations. */
export function providerToSignInAt(providers: readonly AccountProvider[], service: SignInService, address: string): AccountProvider | undefined {
  const own = providerOf(providers, address);
  if (own?.sign_in === service) return own;
  return providers.find(({ sign_in, domains }) => sign_in === service && domains.length === 0);
}

/** The provider whose server is called so. */
export function providerAt(providers: readonly AccountProvider[], host: string): AccountProvider | undefined {
  return providers.find((provider) => provider.host === host.trim().toLowerCase());
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
