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
