/** The Tauri host. The only file that imports `@tauri-apps/*`. */
import { invoke } from "@tauri-apps/api/core";
import { listen, TauriEvent } from "@tauri-apps/api/event";
import { open, save } from "@tauri-apps/plugin-dialog";
import type { Event } from "$lib/bindings/api";
import { CallError, type Backend } from "./backend";

export function openTauri(): Backend {
  return {
    async call(name, request) {
      try {
        return await invoke("dispatch", { name, request });
      } catch (thrown) {
        throw CallError.from(thrown);
      }
    },
    onEvent(listener) {
      const unlisten = listen<Event>("casement", ({ payload }) => listener(payload));
      return () => void unlisten.then((stop) => stop());
    },
    async pickFile({ title, filters }) {
      const picked = await open({ title, multiple: false, directory: false, ...(filters && { filters }) });
      return picked;
    },
    async saveFile({ title, suggestedName, filters }) {
      return await save({ title, defaultPath: suggestedName, ...(filters && { filters }) });
    },
    onFileDrag(listener) {
      // The shell takes files before the page sees them, and knows where they are.
      const stops = [
        listen(TauriEvent.DRAG_ENTER, () => listener({ at: "over" })),
        listen(TauriEvent.DRAG_LEAVE, () => listener({ at: "left" })),
        listen<{ paths: string[] }>(TauriEvent.DRAG_DROP, ({ payload }) => listener({ at: "dropped", paths: payload.paths })),
      ];
      return () => stops.forEach((stop) => void stop.then((unlisten) => unlisten()));
    },
  };
}
