/** Keeps the focus where it is while blocks change places: an element that moves in the page loses it. */
import { tick } from "svelte";

/** Does the work, then gives the focus back to who had it. Resolves with whether someone has it. */
export async function keepingFocus(work: () => void): Promise<boolean> {
  const held = document.activeElement;
  work();
  await tick();
  const isLost = document.activeElement === null || document.activeElement === document.body;
  if (!isLost) return true;
  if (!(held instanceof HTMLElement) || held === document.body || !held.isConnected) return false;
  held.focus({ preventScroll: true });
  held.scrollIntoView({ block: "nearest" });
  return true;
}
