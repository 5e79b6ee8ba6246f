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
    onFileDrop(listener) {
      const heard = [
        listen(TauriEvent.DRAG_ENTER, () => listener({ state: "over" })),
        listen(TauriEvent.DRAG_LEAVE, () => listener({ state: "left" })),
        listen<{ paths: string[] }>(TauriEvent.DRAG_DROP, ({ payload }) => listener({ state: "dropped", paths: payload.paths })),
      ];
      return () => heard.forEach((stop) => void stop.then((end) => end()));
    },
    async saveFile({ title, suggestedName, filters }) {
      return await save({ title, defaultPath: suggestedName, ...(filters && { filters }) });
    },
    openLink(url) {
      // The shell stops every navigation away from the page, and hands the address to the system (`links.rs`).
      window.location.assign(url);
    },
  };
}
