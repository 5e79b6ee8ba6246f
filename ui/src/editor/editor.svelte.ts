/**
 * The document while it is written: its blocks, which one is in hand, undo and redo.
 *
 * One history for the whole document, so that undo walks back through typing and moving alike.
 */
import type { Editor } from "@tiptap/core";
import type { Block, Document } from "$lib/bindings/api";
import { DOCUMENT_VERSION, blockLabel, inserted, moved, newBlock, replaced, type BlockType, type KeyedBlock } from "./blocks";

/** Typing in one place with pauses shorter than this is one step of undo. */
const STEP_MS = 1_200;
const MAX_STEPS = 200;

interface Step {
  blocks: readonly KeyedBlock[];
  /** Where the focus goes when this state comes back. */
  focus: string | null;
}

export class DocumentEditor {
  #blocks = $state.raw<readonly KeyedBlock[]>([]);
  #past = $state.raw<readonly Step[]>([]);
  #future = $state.raw<readonly Step[]>([]);
  #lastStep: { what: string; at: number } | null = null;
  #nextKey = 1;
  readonly #now: () => number;

  /** The block in hand: the one with the focus, or the last that had it. */
  selected = $state<string | null>(null);
  /** Asks the block of that key to take the focus; a new object each time. */
  focus = $state.raw<{ key: string; at: "start" | "end" } | null>(null);
  /** The text that the toolbar works on. */
  active = $state.raw<{ key: string; editor: Editor } | null>(null);
  /** Rises with every change of the active text's selection. */
  tick = $state(0);
  /** What happened, for those who do not see it. */
  said = $state("");

  constructor(document: Document, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#blocks = document.blocks.map((block) => this.#keyed(block));
  }

  get blocks(): readonly KeyedBlock[] {
    return this.#blocks;
  }

  get document(): Document {
    return { version: DOCUMENT_VERSION, blocks: this.#blocks.map(({ block }) => block) };
  }

  get canUndo(): boolean {
    return this.#past.length > 0;
  }

  get canRedo(): boolean {
    return this.#future.length > 0;
  }

  #keyed(block: Block): KeyedBlock {
    return { key: `b${this.#nextKey++}`, block };
  }

  indexOf(key: string): number {
    return this.#blocks.findIndex((each) => each.key === key);
  }

  get(key: string): Block | undefined {
    return this.#blocks.find((each) => each.key === key)?.block;
  }

  #change(blocks: readonly KeyedBlock[], what: string): void {
    const at = this.#now();
    const goesOn = this.#lastStep?.what === what && at - this.#lastStep.at < STEP_MS;
    if (!goesOn) this.#past = [...this.#past.slice(-(MAX_STEPS - 1)), { blocks: this.#blocks, focus: this.selected }];
    this.#lastStep = { what, at };
    this.#future = [];
    this.#blocks = blocks;
  }

  /** Puts a changed block in place; changes of one block in quick succession are one step. */
  update(key: string, block: Block): void {
    if (JSON.stringify(this.get(key)) === JSON.stringify(block)) return;
    this.#change(replaced(this.#blocks, key, block), `update ${key}`);
  }

  /** Adds a block after the one of `after`, or before a closing footer. Returns its key. */
  add(type: BlockType, after: string | null = this.selected, block: Block = newBlock(type)): string {
    const added = this.#keyed(block);
    const at = after === null ? -1 : this.indexOf(after);
    const last = this.#blocks.at(-1)?.block.type === "footer" ? this.#blocks.length - 1 : this.#blocks.length;
    this.#change(inserted(this.#blocks, at < 0 ? last : at + 1, added), `add ${added.key}`);
    this.#take(added.key, "start");
    this.said = `${blockLabel(block)} added at ${this.#place(added.key)}`;
    return added.key;
  }

  duplicate(key: string): void {
    const block = this.get(key);
    if (block === undefined) return;
    const copy = this.#keyed(block);
    this.#change(inserted(this.#blocks, this.indexOf(key) + 1, copy), `add ${copy.key}`);
    this.#take(copy.key, "end");
    this.said = `${blockLabel(block)} duplicated`;
  }

  remove(key: string, focus: "before" | "after" = "before"): void {
    const at = this.indexOf(key);
    const gone = this.#blocks[at];
    if (gone === undefined) return;
    this.#change(this.#blocks.filter((each) => each.key !== key), `remove ${key}`);
    if (this.active?.key === key) this.active = null;
    const next = this.#blocks[focus === "before" ? Math.max(0, at - 1) : Math.min(at, this.#blocks.length - 1)];
    if (next === undefined) this.selected = null;
    else this.#take(next.key, "end");
    this.said = `${blockLabel(gone.block)} removed`;
  }

  /** Moves by so many places, or as far as it goes. */
  move(key: string, by: number): void {
    const from = this.indexOf(key);
    this.moveTo(key, Math.max(0, Math.min(this.#blocks.length - 1, from + by)));
  }

  moveTo(key: string, to: number): void {
    const from = this.indexOf(key);
    const block = this.#blocks[from];
    if (block === undefined || from === to) return;
    this.#change(moved(this.#blocks, from, to), `move ${key}`);
    this.selected = key;
    this.said = `${blockLabel(block.block)} moved to ${this.#place(key)}`;
  }

  /** Takes another document, as one step that can be undone. */
  replaceAll(document: Document): void {
    this.#change(document.blocks.map((block) => this.#keyed(block)), `replace ${this.#nextKey}`);
    this.active = null;
    this.selected = null;
  }

  undo(): void {
    this.#walk("past", "Undone");
  }

  redo(): void {
    this.#walk("future", "Done again");
  }

  #walk(way: "past" | "future", said: string): void {
    const from = way === "past" ? this.#past : this.#future;
    const step = from.at(-1);
    if (step === undefined) return;
    const here: Step = { blocks: this.#blocks, focus: this.selected };
    if (way === "past") {
      this.#past = from.slice(0, -1);
      this.#future = [...this.#future, here];
    } else {
      this.#future = from.slice(0, -1);
      this.#past = [...this.#past, here];
    }
    this.#lastStep = null;
    this.#blocks = step.blocks;
    const focus = step.focus !== null && this.indexOf(step.focus) >= 0 ? step.focus : null;
    if (focus !== null && focus !== this.selected) this.#take(focus, "end");
    this.said = said;
  }

  /** Gives the focus to a block. */
  take(key: string, at: "start" | "end" = "end"): void {
    if (this.indexOf(key) >= 0) this.#take(key, at);
  }

  #take(key: string, at: "start" | "end"): void {
    this.selected = key;
    this.focus = { key, at };
  }

  #place(key: string): string {
    return `${this.indexOf(key) + 1} of ${this.#blocks.length}`;
  }
}
