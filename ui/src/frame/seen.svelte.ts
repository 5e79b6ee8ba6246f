/**
 * Until when the activity was looked at, on this computer.
 *
 * By time, not by row: what the sample data or an import of old mails brings happened long ago and is not new.
 */
const KEY = "casement.activity.seen";

let seen = $state(Number(localStorage.getItem(KEY) ?? Number.NaN));

export const activitySeen = {
  /** UTC milliseconds; before the first look, now: what was there before is not new. */
  get at(): number {
    return seen;
  },
  now(): void {
    seen = Date.now();
    localStorage.setItem(KEY, String(seen));
  },
};

if (Number.isNaN(seen)) activitySeen.now();
