/**
 * Which alarm the user has seen, on this computer.
 *
 * The core counts presses for nobody for good. Once seen, an alarm stays in Settings and leaves Home and the
 * sidebar's foot, until its sentence changes: then somebody pressed again.
 */
import type { ListenerStatus } from "./bindings/api";
import { noticesOf, type Notice } from "./notices";

const KEY = "casement.alarm.seen";

let seen = $state(localStorage.getItem(KEY));

export const alarmSeen = {
  is(alarm: string): boolean {
    return seen === alarm;
  },
  now(alarm: string): void {
    seen = alarm;
    localStorage.setItem(KEY, alarm);
  },
};

/** What the user should know of the listener outside Settings: all but the alarm that they have seen. */
export function openNotices(status: ListenerStatus | undefined): Notice[] {
  if (status === undefined) return [];
  return noticesOf(status).filter(({ kind, text }) => kind !== "alarm" || !alarmSeen.is(text));
}
