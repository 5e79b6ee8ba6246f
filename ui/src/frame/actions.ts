/** What the palette offers on every page. */
import Moon from "@lucide/svelte/icons/moon";
import Sun from "@lucide/svelte/icons/sun";
import SunMoon from "@lucide/svelte/icons/sun-moon";
import type { Action } from "$lib/palette.svelte";
import { router } from "$lib/router.svelte";
import { theme } from "$lib/theme.svelte";
import { places } from "./places";

export const globalActions: readonly Action[] = [
  ...places.map((entry): Action => ({
    id: `go-${entry.place}`,
    label: entry.label,
    group: "Go to",
    icon: entry.icon,
    keywords: entry.keywords,
    run: () => router.go(entry.href),
  })),
  { id: "light", label: "Light theme", group: "Window", icon: Sun, run: () => (theme.value = "light") },
  { id: "dark", label: "Dark theme", group: "Window", icon: Moon, run: () => (theme.value = "dark") },
  { id: "system", label: "Theme as the system has it", group: "Window", icon: SunMoon, run: () => (theme.value = "system") },
];
