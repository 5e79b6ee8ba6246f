/** Bounces and unsubscribes step by step: bring them, see what would happen, do it. */
import type { IncomingKind, IncomingResult, IncomingRun, JobId, PastedKind } from "$lib/bindings/api";
import { backend, CallError } from "$lib/backend/backend";
import { counted } from "$lib/format/number";
import { jobs } from "$lib/jobs.svelte";

export type Stage = { at: "bring" } | { at: "check"; expected: IncomingResult } | { at: "done"; result: IncomingResult };

export const KIND_WORDS = {
  bounced: "Bounced",
  unsubscribed: "Unsubscribed",
  complained: "Complained",
  refused: "Mail refused",
  delayed: "Delayed",
  known: "Known already",
  foreign: "Not yours",
  not_understood: "Not understood",
} satisfies Record<IncomingKind, string>;

/** Kinds that stop mail to somebody. */
export const ACTING: readonly IncomingKind[] = ["bounced", "unsubscribed", "complained"];

const IN_SENTENCES = {
  bounced: "bounced",
  unsubscribed: "unsubscribed",
  complained: "complained",
  refused: "refused because of the mail",
  delayed: "delayed",
  known: "known already",
  foreign: "about nobody of yours",
  not_understood: "not understood",
} satisfies Record<IncomingKind, string>;

/** `12 bounced, 3 unsubscribed, 2 delayed`, in the order of the kinds. */
export function numbers(result: IncomingResult): string {
  const parts = (Object.keys(IN_SENTENCES) as IncomingKind[])
    .filter((kind) => (result.counts[kind] ?? 0) > 0)
    .map((kind) => `${result.counts[kind]} ${IN_SENTENCES[kind]}`);
  return parts.length === 0 ? "Nothing was read" : parts.join(", ");
}

/** Answers that applying it would write down. */
export function changes(result: IncomingResult): number {
  return [...ACTING, "refused" as const].reduce((sum, kind) => sum + (result.counts[kind] ?? 0), 0);
}

/** Addresses and not mails: somebody's mails of a whole year may have come back. */
export function applyWords(result: IncomingResult): string {
  const n = result.addresses;
  return n === 0 ? "Note what came back" : `Stop mail to ${counted(n, "address", "addresses")}`;
}

export class IncomingFlow {
  stage = $state.raw<Stage>({ at: "bring" });
  paths = $state.raw<readonly string[]>([]);
  text = $state("");
  textIs = $state<PastedKind>("bounced");
  job = $state<JobId | null>(null);
  error = $state.raw<CallError | undefined>(undefined);

  get isEmpty(): boolean {
    return this.paths.length === 0 && this.text.trim() === "";
  }

  get request(): IncomingRun {
    return { paths: [...this.paths], text: this.text, text_is: this.textIs, only_unsubscribes: false, dry_run: true };
  }

  add(paths: readonly string[]): void {
    this.error = undefined;
    this.paths = [...this.paths, ...paths.filter((path) => !this.paths.includes(path))];
  }

  remove(path: string): void {
    this.paths = this.paths.filter((each) => each !== path);
  }

  async check(): Promise<void> {
    const expected = await this.#run(true);
    if (expected !== undefined) this.stage = { at: "check", expected };
  }

  async apply(): Promise<void> {
    const result = await this.#run(false);
    if (result !== undefined) this.stage = { at: "done", result };
  }

  async #run(isDry: boolean): Promise<IncomingResult | undefined> {
    this.error = undefined;
    try {
      const { job } = await backend.call("incoming_run", { ...this.request, dry_run: isDry });
      this.job = job;
      const ended = await jobs.wait(job);
      return ended.result as IncomingResult;
    } catch (thrown) {
      this.error = CallError.from(thrown);
      return undefined;
    } finally {
      this.job = null;
    }
  }
}
