/**
 * Light, dark, or as the system says.
 *
 * The workspace keeps the choice; this computer remembers it too, so that the window opens in the
 * right colours before the core has answered.
 */
import type { Theme } from "$lib/bindings/api";
import { act } from "./act";
import { backend } from "./backend/backend";

const KEY = "casement.theme";

function remembered(): Theme {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

/** Puts a theme on the document and remembers it; without one, that of last time. */
export function showTheme(theme: Theme = remembered()): void {
  localStorage.setItem(KEY, theme);
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

/** Changes the theme at once and keeps it in the workspace. */
export async function setTheme(theme: Theme): Promise<void> {
  showTheme(theme);
  await act(() => backend.call("settings_update", { theme }));
}
