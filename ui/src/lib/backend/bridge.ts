/**
 * The browser host: the same core over HTTP, through the Vite plugin in `ui/bridge`.
 *
 * It serves development and tests. A browser may not tell paths, so a picked file is handed to the
 * bridge, which lays it in a folder of its own and answers with that path.
 */
import type { Event } from "$lib/bindings/api";
import { CallError, type Backend } from "./backend";

type Answer = { ok: unknown } | { error: { code: string; message: string; field?: string | null } };

export function openBridge(): Backend {
  const listeners = new Set<(event: Event) => void>();
  let source: EventSource | undefined;

  function hear(): void {
    source = new EventSource("/__events");
    source.onmessage = (message: MessageEvent<string>) => {
      const event = JSON.parse(message.data) as Event;
      for (const listener of listeners) listener(event);
    };
  }

  return {
    async call(name, request) {
      let answer: Answer;
      try {
        const response = await fetch("/__rpc", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ command: name, request }),
        });
        answer = (await response.json()) as Answer;
      } catch (thrown) {
        throw CallError.from(thrown);
      }
      if ("error" in answer) throw new CallError(answer.error);
      return answer.ok as never;
    },
    onEvent(listener) {
      listeners.add(listener);
      if (source === undefined) hear();
      return () => listeners.delete(listener);
    },
    async pickFile({ filters }) {
      const file = await chooseInBrowser(filters?.flatMap((filter) => filter.extensions) ?? []);
      if (file === null) return null;
      return await lay(`/__upload?name=${encodeURIComponent(file.name)}`, file);
    },
    onFileDrop(listener) {
      const carries = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
      const onover = (event: DragEvent): void => {
        if (!carries(event)) return;
        // Without this the browser would open the file in place of the window.
        event.preventDefault();
        listener({ state: "over" });
      };
      const onleave = (event: DragEvent): void => {
        if (event.relatedTarget === null) listener({ state: "left" });
      };
      const ondrop = (event: DragEvent): void => {
        if (!carries(event)) return;
        event.preventDefault();
        event.stopPropagation();
        const files = [...(event.dataTransfer?.files ?? [])];
        void Promise.all(files.map((file) => lay(`/__upload?name=${encodeURIComponent(file.name)}`, file))).then(
          (paths) => listener({ state: "dropped", paths }),
          (thrown: unknown) => listener({ state: "failed", error: CallError.from(thrown) }),
        );
      };
      // Before the editor, which would take a dropped file for text.
      window.addEventListener("dragover", onover, true);
      window.addEventListener("dragleave", onleave, true);
      window.addEventListener("drop", ondrop, true);
      return () => {
        window.removeEventListener("dragover", onover, true);
        window.removeEventListener("dragleave", onleave, true);
        window.removeEventListener("drop", ondrop, true);
      };
    },
    async saveFile({ suggestedName }) {
      return await lay(`/__save?name=${encodeURIComponent(suggestedName)}`, "");
    },
    openLink(url) {
      window.open(url, "_blank", "noopener");
    },
  };
}

async function lay(url: string, body: Blob | string): Promise<string> {
  const response = await fetch(url, { method: "POST", body });
  if (!response.ok) throw CallError.from(new Error(await response.text()));
  return await response.text();
}

function chooseInBrowser(extensions: string[]): Promise<File | null> {
  const input = document.createElement("input");
  input.type = "file";
  input.accept = extensions.map((extension) => `.${extension}`).join(",");
  return new Promise((resolve) => {
    input.onchange = () => resolve(input.files?.[0] ?? null);
    input.oncancel = () => resolve(null);
    input.click();
  });
}
