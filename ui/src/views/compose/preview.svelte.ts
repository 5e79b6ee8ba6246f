/** The mail as one person would get it, rendered by the core a moment after each change. */
import type { CampaignSave, ContactId, Preview } from "$lib/bindings/api";
import { backend, CallError } from "$lib/backend/backend";

const RENDER_AFTER_MS = 250;

export class LivePreview {
  shown = $state.raw<Preview | undefined>(undefined);
  error = $state.raw<CallError | undefined>(undefined);
  /** As whom; null takes the first of the audience. */
  contact = $state<ContactId | null>(null);
  #generation = 0;

  /** Renders `request` again whenever it changes; use it as an effect. */
  follow(request: () => CampaignSave): () => void {
    return $effect.root(() => {
      $effect(() => {
        const draft = request();
        const contact = this.contact;
        const generation = (this.#generation += 1);
        const timer = setTimeout(() => void this.#render(draft, contact, generation), this.shown === undefined ? 0 : RENDER_AFTER_MS);
        return () => clearTimeout(timer);
      });
    });
  }

  async #render(draft: CampaignSave, contact: ContactId | null, generation: number): Promise<void> {
    try {
      const shown = await backend.call("campaign_preview", { draft, ...(contact === null ? {} : { contact }) });
      if (generation !== this.#generation) return;
      this.shown = shown;
      this.error = undefined;
    } catch (thrown) {
      if (generation !== this.#generation) return;
      this.error = CallError.from(thrown);
      // The person may have been erased, or left the audience.
      if (this.error.code === "not_found" && contact !== null) this.contact = null;
    }
  }
}
