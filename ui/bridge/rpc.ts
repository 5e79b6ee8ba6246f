/** One `casementctl rpc` process: requests out, answers matched by id, events handed on. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";

export type Answer = { ok: unknown } | { error: { code: string; message: string; field?: string } };

type Line = { id: number; ok?: unknown; error?: { code: string; message: string; field?: string } } | { event: unknown };

export class RpcProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #nextId = 1;
  #ended: string | undefined;
  #lastWords = "";

  constructor(binary: string, args: string[], onEvent: (event: unknown) => void) {
    this.#child = spawn(binary, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.on("error", (error) => this.#end(`cannot start ${binary}: ${error.message}`));
    this.#child.on("exit", (code, signal) =>
      this.#end(`casementctl ended (${signal ?? `exit ${code}`}): ${this.#lastWords.trim()}`),
    );
    // A write after the process ended is told through `exit`; without a listener it would end Vite.
    this.#child.stdin.on("error", () => undefined);
    // Events come only to who asks for them.
    this.#child.stdin.write('{"id":0,"subscribe":true}\n');
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#hear(line, onEvent));
    this.#child.stderr.on("data", (bytes: Buffer) => {
      this.#lastWords = (this.#lastWords + bytes.toString("utf8")).slice(-2000);
      process.stderr.write(bytes);
    });
  }

  call(command: string, request: unknown): Promise<Answer> {
    if (this.#ended !== undefined) return Promise.resolve(gone(this.#ended));
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin.write(`${JSON.stringify({ id, command, request })}\n`);
    });
  }

  /** Closes the process's input, which ends it; a kill follows if it does not listen. */
  stop(): void {
    this.#child.stdin.end();
    this.#child.kill("SIGTERM");
  }

  #hear(text: string, onEvent: (event: unknown) => void): void {
    if (text.trim() === "") return;
    const line = JSON.parse(text) as Line;
    if ("event" in line) {
      onEvent(line.event);
      return;
    }
    const resolve = this.#waiting.get(line.id);
    this.#waiting.delete(line.id);
    resolve?.(line.error === undefined ? { ok: line.ok ?? null } : { error: line.error });
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    for (const resolve of this.#waiting.values()) resolve(gone(this.#ended));
    this.#waiting.clear();
  }
}

function gone(reason: string): Answer {
  return { error: { code: "engine_gone", message: reason } };
}
