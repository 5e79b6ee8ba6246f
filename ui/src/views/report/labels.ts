/** What a person may say of looks: of one, of everything to a mail domain, of everything from a network. */
import type { LabelKind, LabelRow, Says, TimelineEntry } from "$lib/bindings/api";
import { act } from "$lib/act";
import { backend } from "$lib/backend/backend";
import { counted } from "$lib/format/number";
import { toasts } from "$lib/toasts.svelte";

export interface Choice {
  kind: LabelKind;
  /** The hit's id, the domain, or the network. */
  value: string;
  says: Says;
}

/** The domain of an address; empty for one that was erased. */
export function domainOf(email: string): string {
  return email.includes("@") ? email.slice(email.lastIndexOf("@") + 1).toLowerCase() : "";
}

/**
 * What can be said of a look, in groups: of itself, of its network, of its reader's domain.
 *
 * A domain or a network is never people: whoever fetches from there may still be a machine.
 */
export function choicesOf(entry: Pick<TimelineEntry, "hit" | "network">, email: string): Choice[][] {
  if (entry.hit === null) return [];
  const groups: Choice[][] = [
    (["person", "machine", "unknown"] as const).map((says) => ({ kind: "hit", value: String(entry.hit), says })),
  ];
  for (const [kind, value] of [["network", entry.network], ["domain", domainOf(email)]] as const) {
    if (value !== "") groups.push((["machine", "unknown"] as const).map((says) => ({ kind, value, says })));
  }
  return groups;
}

/** As an item of a menu: `All from 203.0.113.0/24 are machines`. */
export function choiceWords({ kind, value, says }: Choice): string {
  if (kind === "hit") return says === "unknown" ? "This cannot be told" : `This was a ${says}`;
  const what = kind === "network" ? `All from ${value}` : `All to ${value}`;
  return says === "machine" ? `${what} are machines` : `${what} cannot be told`;
}

/** What a correction is about, where it stands in a list. */
export function aboutWords(label: Pick<LabelRow, "kind" | "value">): string {
  switch (label.kind) {
    case "hit":
      return "One look";
    case "domain":
      return `All to ${label.value}`;
    case "network":
      return `All from ${label.value}`;
  }
}

const SAYS = {
  person: "a person’s",
  machine: "a machine’s",
  unknown: "unknown",
} satisfies Record<Says, string>;

/** What to say once it is said: `All from 203.0.113.0/24 count as machines’ now. 3 looks changed.` */
export function saidWords(choice: Choice, changed: number): string {
  const many = { person: "people’s", machine: "machines’", unknown: "unknown" } satisfies Record<Says, string>;
  if (choice.kind === "hit") return `This look counts as ${SAYS[choice.says]} now.`;
  return `${aboutWords(choice)} count as ${many[choice.says]} now. ${changedWords(changed)}`;
}

function changedWords(changed: number): string {
  return changed === 0 ? "No look changed." : `${counted(changed, "look")} changed.`;
}

/** Says it to the core, and offers to take it back: to what was said of the same thing before, if anything was. */
export async function say(choice: Choice): Promise<void> {
  const done = await act(async () => {
    const { labels } = await backend.call("label_list", {});
    const before = labels.find((label) => label.kind === choice.kind && label.value === choice.value);
    return { before, ...(await backend.call("label_set", { ...choice })) };
  });
  if (done === undefined) return;
  const { id, changed, before } = done;
  toasts.show(saidWords(choice, changed), {
    action: {
      label: "Undo",
      run: async () => {
        const { kind, value } = choice;
        const undone = await act(() =>
          before === undefined
            ? backend.call("label_remove", { id })
            : backend.call("label_set", { kind, value, says: before.says }),
        );
        if (undone !== undefined) toasts.show("Taken back.");
      },
    },
  });
}

/** Takes a correction back; the rules judge again what it was about. */
export async function takeBack(label: Choice & { id: number }): Promise<void> {
  const done = await act(() => backend.call("label_remove", { id: label.id }));
  if (done === undefined) return;
  const { kind, value, says } = label;
  toasts.show(`Taken back: the rules judge again. ${changedWords(done.changed)}`, {
    action: { label: "Undo", run: async () => void (await act(() => backend.call("label_set", { kind, value, says }))) },
  });
}
