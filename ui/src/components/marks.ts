/**
 * The five things that a pixel can tell of a message, everywhere with the same colour, shape and word.
 * Order is that of evidence: it is the order of the range's parts and of every legend.
 */
export type Mark = "human" | "unknown" | "machine" | "none" | "untracked";

export interface MarkWords {
  /** For a person's row: "opened". */
  state: string;
  /** For a part of a range: "confirmed". */
  part: string;
  /** How it was judged, in a sentence. */
  how: string;
}

export const MARKS = {
  human: {
    state: "opened",
    part: "confirmed",
    how: "The pixel was fetched by a mail client, or by a proxy that fetches when a person looks.",
  },
  unknown: {
    state: "unknown",
    part: "unknown",
    how: "The pixel was fetched, but nothing tells a person from a machine.",
  },
  machine: {
    state: "machine only",
    part: "by machines only",
    how: "Only prefetchers and scanners fetched the pixel. A person may have read the mail behind them.",
  },
  none: {
    state: "no signal",
    part: "no signal",
    how: "The pixel was not fetched. Many people read mail with images off, so this is not “not opened”.",
  },
  untracked: {
    state: "not tracked",
    part: "not tracked",
    how: "The mail carried no pixel of its own.",
  },
} satisfies Record<Mark, MarkWords>;

export const PARTS = ["human", "unknown", "machine", "none"] as const satisfies readonly Mark[];
