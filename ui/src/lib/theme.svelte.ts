/** Light, dark, or as the system says; remembered on this computer. */
export type Theme = "system" | "light" | "dark";

const KEY = "casement.theme";

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

let current = $state<Theme>("system");

export const theme = {
  get value(): Theme {
    return current;
  },
  set value(next: Theme) {
    localStorage.setItem(KEY, next);
    applyTheme();
  },
};

/** Puts the remembered theme on the document. */
export function applyTheme(): void {
  current = stored();
  if (current === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = current;
}
