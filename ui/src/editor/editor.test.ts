import { describe, expect, it } from "vitest";
import type { Block, Document } from "$lib/bindings/api";
import { CONSENT_LABEL, CONSENT_WORDING, askingDocument, blockLabel, isEmpty, isSingle, newBlock, withParagraphs, wordingError } from "./blocks";
import { DocumentEditor } from "./editor.svelte";
import { plain } from "./spans";

const document = (): Document => ({
  version: 1,
  blocks: [
    { type: "heading", level: 1, spans: [plain("One")] },
    { type: "text", paragraphs: [[plain("Two")]] },
    { type: "footer", paragraphs: [] },
  ],
});

function started() {
  let time = 0;
  const editor = new DocumentEditor(document(), () => time);
  const types = (): string[] => editor.blocks.map(({ block }) => block.type);
  const keyAt = (at: number): string => editor.blocks[at]?.key ?? "";
  const type = (text: string): void => editor.update(keyAt(1), { type: "text", paragraphs: [[plain(text)]] });
  return { editor, types, keyAt, type, pass: (ms: number) => (time += ms) };
}

describe("the document editor", () => {
  it("gives back the document that it was given", () => {
    expect(new DocumentEditor(document()).document).toEqual(document());
  });

  it("adds before the closing footer when nothing is in hand", () => {
    const { editor, types } = started();
    editor.add("image");
    expect(types()).toEqual(["heading", "text", "image", "footer"]);
  });

  it("adds after the block in hand and takes the focus there", () => {
    const { editor, types, keyAt } = started();
    editor.selected = keyAt(0);
    const key = editor.add("divider");
    expect(types()).toEqual(["heading", "divider", "text", "footer"]);
    expect(editor.focus?.key, "what was added is what one goes on with").toBe(key);
  });

  it("moves, and stops at the ends", () => {
    const { editor, types, keyAt } = started();
    editor.move(keyAt(1), -1);
    editor.move(keyAt(0), -1);
    expect(types()).toEqual(["text", "heading", "footer"]);
    expect(editor.said).toBe("Text “Two” moved to 1 of 3");
  });

  it("keeps a block's key when it moves, so that it keeps its caret", () => {
    const { editor, keyAt } = started();
    const key = keyAt(0);
    editor.moveTo(key, 2);
    expect(editor.indexOf(key)).toBe(2);
  });

  it("takes back typing as one step, and typing after a pause as another", () => {
    const { editor, type, pass } = started();
    type("Two a");
    pass(100);
    type("Two ab");
    pass(5_000);
    type("Two abc");
    editor.undo();
    expect(editor.document.blocks[1]).toEqual({ type: "text", paragraphs: [[plain("Two ab")]] });
    editor.undo();
    expect(editor.document, "undone to the beginning").toEqual(document());
    expect(editor.canUndo).toBe(false);
    editor.redo();
    editor.redo();
    expect(editor.document.blocks[1]).toEqual({ type: "text", paragraphs: [[plain("Two abc")]] });
  });

  it("brings back what was removed", () => {
    const { editor, keyAt } = started();
    editor.remove(keyAt(1));
    expect(editor.blocks).toHaveLength(2);
    editor.undo();
    expect(editor.document).toEqual(document());
  });

  it("forgets the way forward when something new is done", () => {
    const { editor, type } = started();
    type("x");
    editor.undo();
    editor.add("button");
    expect(editor.canRedo).toBe(false);
  });

  it("makes no step of a change that changes nothing", () => {
    const { editor, type } = started();
    type("Two");
    expect(editor.canUndo).toBe(false);
  });

  it("survives the removal of everything", () => {
    const { editor, keyAt } = started();
    for (let left = 3; left > 0; left -= 1) editor.remove(keyAt(0));
    expect(editor.document.blocks).toEqual([]);
    editor.add("text");
    expect(editor.document.blocks).toEqual([newBlock("text")]);
  });

  it("writes an untouched footer as none, not as an empty line", () => {
    expect(withParagraphs(newBlock("footer"), [[]])).toEqual({ type: "footer", paragraphs: [] });
  });
});

describe("the question of consent", () => {
  it("says what is recorded, for what, and that it can be ended", () => {
    const block = newBlock("consent");
    expect(block).toEqual({ type: "consent", wording: CONSENT_WORDING, label: CONSENT_LABEL, only: false });
    expect(wordingError(CONSENT_WORDING)).toBeUndefined();
    expect(CONSENT_WORDING).toMatch(/record when I open.*to learn whether.*end this at any time/);
    expect(isEmpty(block), "nothing is lost with words that were never changed").toBe(true);
    expect(isEmpty({ ...newBlock("consent"), wording: "You may." } as Block)).toBe(false);
  });

  it("has words that are the same for everyone", () => {
    for (const wording of ["", " \n", "You may, {{ first_name }}", "{% if x %}yes{% endif %}", "{# #} yes", "x".repeat(10_001)]) {
      expect(wordingError(wording), wording.slice(0, 30)).toBeDefined();
    }
  });

  it("is what its template is about, and there once", () => {
    const { blocks } = askingDocument();
    expect(blocks.map(({ type }) => type)).toEqual(["heading", "text", "consent", "text", "footer"]);
    expect(blocks[2]).toMatchObject({ only: true });
    expect(isSingle("consent") && isSingle("footer") && !isSingle("text")).toBe(true);
    expect(blockLabel(blocks[2] as Block)).toMatch(/^Consent question “You may record/);
    expect(withParagraphs(blocks[2] as Block, [[]]), "it has no paragraphs").toEqual(blocks[2]);
  });
});
