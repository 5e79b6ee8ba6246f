/** What the user should know of the listener: said at the sidebar's foot, on Home and in Settings in the same words. */
import type { ListenerStatus } from "./bindings/api";
import { count, counted } from "./format/number";

export interface Notice {
  kind: "problem" | "spool" | "alarm";
  tone: "info" | "warn";
  title: string;
  text: string;
  /** For the sidebar's foot: four words at most. */
  short: string;
}

/** What is wrong now comes first, then what waits because of it, then what happened. */
export function noticesOf(status: Pick<ListenerStatus, "last_error" | "spooled" | "alarm">): Notice[] {
  const notices: Notice[] = [];
  if (status.last_error !== null) {
    notices.push({
      kind: "problem",
      tone: "warn",
      title: "There is a problem",
      text: status.last_error,
      short: "A problem",
    });
  }
  if (status.spooled > 0) {
    notices.push({
      kind: "spool",
      tone: "info",
      title: `${counted(status.spooled, "request")} ${status.spooled === 1 ? "waits" : "wait"} on disk for the database`,
      text:
        "The database cannot be written at the moment, so what readers do is kept in a file beside it. " +
        "Nothing is lost: it moves into the database by itself as soon as that can be written again, and is counted then.",
      short: `${count(status.spooled)} ${status.spooled === 1 ? "waits" : "wait"} on disk`,
    });
  }
  if (status.alarm !== null) {
    notices.push({
      kind: "alarm",
      tone: "warn",
      title: "Some readers’ buttons reached nobody",
      text: status.alarm,
      short: "Button presses lost",
    });
  }
  return notices;
}
