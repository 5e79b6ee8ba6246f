/** Which reads a change concerns: the tags that the core's command table names. */
import type { Event } from "./bindings/api";

export function tagsOf(_name: string, _request: unknown): readonly string[] {
  return [];
}

/** The tags of an announcement, or null when the event announces something else. */
export function changedTags(event: Event): readonly string[] | null {
  return "changed" in event ? event.changed.tags : null;
}
