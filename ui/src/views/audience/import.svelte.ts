/** An import step by step: a file, where its columns go, what would happen, what happened. */
import type { ConsentState, ImportPreviewResponse, ImportResult, ImportRun, JobId } from "$lib/bindings/api";
import { backend, CallError } from "$lib/backend/backend";
import { jobs } from "$lib/jobs.svelte";

export type Stage =
  | { at: "pick" }
  | { at: "map"; file: ImportPreviewResponse }
  | { at: "check"; file: ImportPreviewResponse; expected: ImportResult }
  | { at: "done"; result: ImportResult };

/** The last part of a path, on any platform. */
export function fileName(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? path;
}

/** Names that a template could never reach, because they mean something there. */
const KEYWORDS = ["and", "else", "false", "if", "in", "is", "none", "not", "or", "true"];

/** A header as the name of a field, as the core makes it: `Club name` → `club_name`. */
export function fieldName(header: string): string {
  const words = header.toLowerCase().replace(/[^\p{Alphabetic}0-9]+/gu, "_").replace(/^_+|_+$/g, "");
  const name = /^[0-9]/.test(words) ? `_${words}` : words || "field";
  return KEYWORDS.includes(name) ? `${name}_` : name;
}

export class ImportFlow {
  stage = $state.raw<Stage>({ at: "pick" });
  path = $state("");
  /** Where columns go, by header. */
  map = $state<Record<string, string>>({});
  list = $state("");
  consent = $state<ConsentState>("unknown");
  source = $state("");
  wording = $state("");
  job = $state<JobId | null>(null);
  error = $state.raw<CallError | undefined>(undefined);

  get request(): ImportRun {
    return {
      path: this.path,
      map: { ...this.map },
      ...(this.list.trim() === "" ? {} : { list: this.list.trim() }),
      dry_run: false,
      consent: this.consent,
      consent_source: this.consent === "unknown" ? "" : this.source.trim(),
      consent_wording: this.consent === "granted" ? this.wording.trim() : "",
      sample: false,
    };
  }

  get hasEmail(): boolean {
    return Object.values(this.map).includes("email");
  }

  /** Two columns that go to one field, where the second would hide the first. */
  get clash(): string | undefined {
    const fields = Object.values(this.map).filter((field) => field !== "");
    return fields.find((field, at) => fields.indexOf(field) !== at);
  }

  async pick(): Promise<void> {
    const path = await backend.pickFile({
      title: "Choose a file with people",
      filters: [{ name: "Tables as text", extensions: ["csv", "tsv", "txt"] }],
    });
    if (path === null) return;
    this.error = undefined;
    try {
      const file = await backend.call("import_preview", { path });
      this.path = path;
      this.map = Object.fromEntries(file.columns.map(({ name, field }) => [name, field]));
      this.stage = { at: "map", file };
    } catch (thrown) {
      this.error = CallError.from(thrown);
      this.stage = { at: "pick" };
    }
  }

  /** Runs the import without changing anything. */
  async check(file: ImportPreviewResponse): Promise<void> {
    const expected = await this.#run({ ...this.request, dry_run: true });
    if (expected !== undefined) this.stage = { at: "check", file, expected };
  }

  async run(): Promise<void> {
    const result = await this.#run(this.request);
    if (result !== undefined) this.stage = { at: "done", result };
  }

  async #run(request: ImportRun): Promise<ImportResult | undefined> {
    this.error = undefined;
    try {
      const started = await backend.call("import_run", request);
      this.job = started.job;
      // The command table says so: the job's result is an ImportResult.
      return (await jobs.wait(started.job)).result as ImportResult;
    } catch (thrown) {
      const error = CallError.from(thrown);
      if (error.code !== "cancelled") this.error = error;
      return undefined;
    } finally {
      this.job = null;
    }
  }
}
