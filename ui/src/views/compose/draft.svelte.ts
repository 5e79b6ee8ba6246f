/**
 * A campaign while it is written: what was typed, and whether the core has it.
 *
 * Loaded once; from then on the window's state is the truth and every change is saved behind it, one save at a time.
 */
import type { AccountId, Audience, Campaign, CampaignCap, CampaignId, CampaignSave, CampaignTracking, WindowSpec } from "$lib/bindings/api";
import { backend, CallError } from "$lib/backend/backend";
import { DocumentEditor } from "../../editor/editor.svelte";

/** A pause in typing after which it is saved. */
const SAVE_AFTER_MS = 600;

export type SaveState = { status: "saved" } | { status: "waiting" } | { status: "saving" } | { status: "failed"; error: CallError };

export class Draft {
  readonly id: CampaignId;
  readonly doc: DocumentEditor;
  name = $state("");
  subject = $state("");
  preheader = $state("");
  account = $state<AccountId | null>(null);
  /** Accounts of the same sender that share the work. */
  also = $state<AccountId[]>([]);
  audience = $state.raw<Audience>({ include: [], exclude: [] });
  window = $state.raw<WindowSpec>({ days: 30 });
  tracking = $state<CampaignTracking>("individual");
  postalAddress = $state("");
  cap = $state.raw<CampaignCap>({});
  /** Days; null takes the workspace's. */
  graceDays = $state<number | null>(null);

  #state = $state.raw<SaveState>({ status: "saved" });
  #savedText: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> | undefined;

  constructor(campaign: Campaign) {
    this.id = campaign.id;
    this.doc = new DocumentEditor(campaign.document);
    this.name = campaign.name;
    this.subject = campaign.subject;
    this.preheader = campaign.preheader;
    this.account = campaign.account;
    this.also = campaign.also;
    this.audience = campaign.audience;
    this.window = campaign.window_spec;
    this.tracking = campaign.tracking;
    this.postalAddress = campaign.postal_address;
    this.cap = campaign.cap;
    this.graceDays = campaign.grace_days;
    this.#savedText = JSON.stringify(this.request);
  }

  get state(): SaveState {
    return this.#state;
  }

  /** All of it as the core takes it. */
  get request(): CampaignSave {
    return {
      id: this.id,
      name: this.name.trim() === "" ? "Untitled campaign" : this.name,
      subject: this.subject,
      preheader: this.preheader,
      ...(this.account === null ? {} : { account: this.account }),
      also: this.also,
      audience: this.audience,
      window: this.window,
      tracking: this.tracking,
      postal_address: this.postalAddress,
      document: this.doc.document,
      cap: this.cap,
      grace_days: this.graceDays,
    };
  }

  /** Saves every change a little after it was made, until the returned function is called, which saves the rest. */
  follow(): () => void {
    const stop = $effect.root(() => {
      $effect(() => {
        const text = JSON.stringify(this.request);
        if (text === this.#savedText) return;
        this.#state = { status: "waiting" };
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => void this.flush(), SAVE_AFTER_MS);
      });
    });
    return () => {
      stop();
      void this.flush();
    };
  }

  /** Saves what is not saved yet. Resolves with whether the core has all of it. */
  async flush(): Promise<boolean> {
    clearTimeout(this.#timer);
    await this.#running;
    const request = this.request;
    const text = JSON.stringify(request);
    if (text === this.#savedText) {
      if (this.#state.status !== "failed") this.#state = { status: "saved" };
      return true;
    }
    this.#state = { status: "saving" };
    let isSaved = false;
    this.#running = backend.call("campaign_save", request).then(
      () => {
        this.#savedText = text;
        this.#state = { status: "saved" };
        isSaved = true;
      },
      (thrown: unknown) => {
        this.#state = { status: "failed", error: CallError.from(thrown) };
      },
    );
    await this.#running;
    this.#running = undefined;
    return isSaved;
  }
}
