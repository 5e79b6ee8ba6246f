/**
 * The window's one door to the core.
 *
 * Views call `backend.call(name, request)` and never learn whether a Tauri shell or a browser carries it.
 * The host is chosen once, at start: the Tauri window, or the bridge that a browser reaches over HTTP.
 */
import type { Commands, Event } from "$lib/bindings/api";

export type CommandName = keyof Commands & string;
export type RequestOf<K extends CommandName> = Commands[K][0];
export type ResponseOf<K extends CommandName> = Commands[K][1];

/** What a file dialog offers to open. */
export interface FileFilter {
  name: string;
  extensions: string[];
}

/** Files that are carried over the window: first that they hover, then that they left or where they lie. */
export type FileDrop =
  | { state: "over" }
  | { state: "left" }
  | { state: "dropped"; paths: string[] }
  | { state: "failed"; error: CallError };

export interface Backend {
  /** Runs a command of the core. Rejects with a `CallError`, never with anything else. */
  call<K extends CommandName>(name: K, request: RequestOf<K>): Promise<ResponseOf<K>>;
  /** Hears every event of the core until the returned function is called. */
  onEvent(listener: (event: Event) => void): () => void;
  /** Asks for a file; resolves with a path that the core can read, or null when nothing was chosen. */
  pickFile(options: { title: string; filters?: FileFilter[] }): Promise<string | null>;
  /** Hears of files that are dropped on the window, with paths that the core can read, until the returned function is called. */
  onFileDrop(listener: (drop: FileDrop) => void): () => void;
  /** Asks where to write; resolves with a path that the core can write, or null when it was dismissed. */
  saveFile(options: { title: string; suggestedName: string; filters?: FileFilter[] }): Promise<string | null>;
  /** Opens an address in the person's browser, beside the window. */
  openLink(url: string): void;
}

/** A refusal or failure of the core, in words that a person can act on. */
export class CallError extends Error {
  readonly code: string;
  readonly field: string | undefined;

  constructor(wire: { code: string; message: string; field?: string | null | undefined }) {
    super(sentence(wire.message));
    this.name = "CallError";
    this.code = wire.code;
    this.field = wire.field ?? undefined;
  }

  /** Reads whatever came over the wire or was thrown; hosts use it so that views see one shape. */
  static from(thrown: unknown): CallError {
    if (thrown instanceof CallError) return thrown;
    if (typeof thrown === "object" && thrown !== null && "code" in thrown && "message" in thrown) {
      const { code, message } = thrown;
      const field = "field" in thrown && typeof thrown.field === "string" ? thrown.field : undefined;
      return new CallError({ code: String(code), message: String(message), field });
    }
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new CallError({ code: "host", message: `The window cannot reach its engine: ${message}` });
  }
}

/** The core's errors end without a period and begin in lower case, as errors are chained; the window shows sentences. */
function sentence(message: string): string {
  const text = message.trim();
  // A host name or an address at the beginning stays as it is written.
  const start = /^\p{Ll}+[\s,:]/u.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return text === "" || /[.!?…]$/.test(text) ? start : `${start}.`;
}

let host: Backend | undefined;

/** Chooses the host. Called once, before anything is mounted. */
export async function connect(): Promise<void> {
  if ("__TAURI_INTERNALS__" in window) {
    const { openTauri } = await import("./tauri");
    host = openTauri();
  } else {
    const { openBridge } = await import("./bridge");
    host = openBridge();
  }
}

/** Puts a given host in place: tests of components bring their own. */
export function connectTo(given: Backend): void {
  host = given;
}

function connected(): Backend {
  if (host === undefined) throw new Error("connect() has not run");
  return host;
}

export const backend: Backend = {
  call: (name, request) => connected().call(name, request),
  onEvent: (listener) => connected().onEvent(listener),
  pickFile: (options) => connected().pickFile(options),
  onFileDrop: (listener) => connected().onFileDrop(listener),
  saveFile: (options) => connected().saveFile(options),
  openLink: (url) => connected().openLink(url),
};
