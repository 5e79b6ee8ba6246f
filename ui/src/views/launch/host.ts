/** The host that is typed before mails leave with an address that may be gone soon. */
import type { Finding } from "$lib/bindings/api";

/** The host of an address, or of what somebody typed as one; empty where there is none. */
export function hostOf(text: string): string {
  const typed = text.trim();
  if (typed === "") return "";
  const isBareV6 = /^[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*$/i.test(typed);
  try {
    const { hostname } = new URL(typed.includes("://") ? typed : isBareV6 ? `https://[${typed}]` : `https://${typed}`);
    return hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  } catch {
    return "";
  }
}

/** Tells whether somebody typed this host. */
export function isHost(typed: string, host: string): boolean {
  return host !== "" && hostOf(typed) === host;
}

/** Notes that the launch page says beside the address: they are not told twice. */
export function isFact({ id }: Pick<Finding, "id">): boolean {
  return id === "only_while_on" || id === "address_lent";
}
