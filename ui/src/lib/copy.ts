/** Puts text on the clipboard, and says whether that worked. */
import { toasts } from "./toasts.svelte";

export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toasts.show("Copied.");
  } catch {
    toasts.show("The clipboard is not open to this window; select the text and copy it.", { tone: "danger" });
  }
}
