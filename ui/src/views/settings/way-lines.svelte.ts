/** The lines to paste for a way that is being typed: asked for when the typing rests, and never an old answer to a new form. */
import { untrack } from "svelte";
import type { Lines, LinesPart, TunnelLines } from "$lib/bindings/api";
import { backend, CallError } from "$lib/backend/backend";

/** Long enough that not every letter makes lines. */
const REST_MS = 250;

export interface PasteLines {
  /** The lines of one part; undefined until there are any. */
  of(part: LinesPart): Lines | undefined;
  /** What stands there belongs to what was typed before. */
  readonly isStale: boolean;
  /** Something that the lines are made of is still missing. */
  readonly isWaiting: boolean;
  readonly error: CallError | undefined;
}

export function usePasteLines(request: () => TunnelLines | null): PasteLines {
  const wanted = $derived(JSON.stringify(request()));
  let got = $state.raw<{ wanted: string; steps: Lines[] } | undefined>(undefined);
  let error = $state.raw<{ wanted: string; error: CallError } | undefined>(undefined);

  /** What was asked last, while somebody looks. */
  let latest: string | undefined;

  async function ask(asked: string): Promise<void> {
    try {
      const { steps } = await backend.call("tunnel_lines", JSON.parse(asked) as TunnelLines);
      if (asked !== latest) return;
      got = { wanted: asked, steps };
      error = undefined;
    } catch (thrown) {
      if (asked === latest) error = { wanted: asked, error: CallError.from(thrown) };
    }
  }

  $effect(() => {
    const asked = wanted;
    if (asked === "null") return;
    latest = asked;
    const timer = setTimeout(() => void ask(asked), untrack(() => got) === undefined ? 0 : REST_MS);
    return () => {
      latest = undefined;
      clearTimeout(timer);
    };
  });

  return {
    of: (part) => (wanted === "null" ? undefined : got?.steps.find((lines) => lines.part === part)),
    get isStale() {
      return got?.wanted !== wanted;
    },
    get isWaiting() {
      return wanted === "null";
    },
    get error() {
      return error?.wanted === wanted ? error.error : undefined;
    },
  };
}
