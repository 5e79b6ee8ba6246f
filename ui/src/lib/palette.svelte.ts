/** What Ctrl/Cmd-K offers: places always, and whatever the page shown can do. */
import { untrack, type Component } from "svelte";
import type { LucideProps } from "@lucide/svelte";

export interface Action {
  /** Unique among what is offered at one time. */
  id: string;
  label: string;
  group: "Go to" | "Here" | "Campaigns" | "People" | "Window";
  icon?: Component<LucideProps>;
  /** More words to find it by. */
  keywords?: string[];
  run: () => void;
}

let isOpen = $state(false);
let registered = $state.raw<readonly (readonly Action[])[]>([]);

export const palette = {
  get open(): boolean {
    return isOpen;
  },
  set open(next: boolean) {
    isOpen = next;
  },
  show(): void {
    isOpen = true;
  },
  get actions(): Action[] {
    return registered.flat();
  },
  /** Offers actions until the returned function is called; use it as an effect. */
  offer(actions: readonly Action[]): () => void {
    // Untracked: the effect that offers must not run again because something was offered.
    registered = [...untrack(() => registered), actions];
    return () => {
      registered = registered.filter((each) => each !== actions);
    };
  },
};

/** Letters as they are compared: without case and without accents, so that `muller` finds Müller. */
function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLocaleLowerCase();
}

/**
 * Returns how well words fit what was typed, 0 for not at all; the first word is the label.
 *
 * Every part that was typed must stand at the beginning of some word.
 */
export function matchScore(typed: string, words: readonly string[]): number {
  const parts = plain(typed).split(/\s+/).filter((part) => part !== "");
  if (parts.length === 0) return 1;
  const label = plain(words[0] ?? "");
  if (label.startsWith(parts.join(" "))) return 1;
  const starts = (text: string) => (part: string) => plain(text).split(/[\s\-–/]+/).some((word) => word.startsWith(part));
  if (parts.every(starts(label))) return 0.8;
  return parts.every(starts(words.join(" "))) ? 0.4 : 0;
}
