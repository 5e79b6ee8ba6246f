/** Names of the world's time zones, as this platform knows them. */
const KNOWN: readonly string[] = Intl.supportedValuesOf("timeZone");

/** All zones, with those that must be among them. */
export function zonesWith(...needed: string[]): string[] {
  return [...new Set([...needed.filter((zone) => zone !== ""), "UTC", ...KNOWN])].sort();
}
