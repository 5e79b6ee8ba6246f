/** Which reads a change concerns: the tags that the core's command table names. */
import { provides, type Commands, type Event } from "./bindings/api";

export function tagsOf(name: string, _request: unknown): readonly string[] {
  return name in provides ? provides[name as keyof Commands] : [];
}

/** The tags of an announcement, or null when the event announces something else. */
export function changedTags(event: Event): readonly string[] | null {
  return "changed" in event ? event.changed.tags : null;
}
