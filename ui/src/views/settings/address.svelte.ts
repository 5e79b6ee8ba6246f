/** Has mails carry another address; where sent mails depend on the one in use, that is said first. */
import type { AddressPreviewed, AddressSet } from "$lib/bindings/api";
import { backend } from "$lib/backend/backend";
import { toasts } from "$lib/toasts.svelte";

export class AddressSetting {
  /** What the change leaves behind, while it is asked about. */
  change = $state.raw<AddressPreviewed | undefined>(undefined);
  #asked: AddressSet | undefined;

  /** Sets the address, or asks about it first. */
  async ask(asked: AddressSet): Promise<void> {
    const found = await backend.call("address_preview", asked);
    this.#asked = asked;
    if (found.ask) this.change = found;
    else await this.set();
  }

  /** Sets the address that was asked about. */
  async set(): Promise<void> {
    const asked = this.#asked;
    this.keep();
    if (asked === undefined) return;
    await backend.call("address_set", asked);
    toasts.show(asked.url === null ? "Mails carry no address from now on." : "Mails carry this address from now on.");
  }

  /** Leaves the address as it is. */
  keep(): void {
    this.change = undefined;
    this.#asked = undefined;
  }
}
