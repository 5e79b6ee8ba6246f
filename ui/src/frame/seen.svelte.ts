/** Which activity was already looked at, on this computer. */
const KEY = "casement.activity.seen";

let seen = $state(Number(localStorage.getItem(KEY) ?? Number.NaN));

export const activitySeen = {
  /** The newest id that was seen; NaN before the first look. */
  get id(): number {
    return seen;
  },
  upTo(id: number): void {
    if (seen >= id) return;
    seen = id;
    localStorage.setItem(KEY, String(id));
  },
};
