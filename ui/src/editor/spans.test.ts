import { Editor, getSchema } from "@tiptap/core";
import { Node } from "@tiptap/pm/model";
import { describe, expect, it } from "vitest";
import type { Span } from "$lib/bindings/api";
import { inlineExtensions } from "./extensions";
import { fromTiptap, normalise, plain, toTiptap } from "./spans";

const schema = getSchema(inlineExtensions("paragraphs"));

/** Through the JSON, ProseMirror's own nodes, and back. */
function around(paragraphs: Span[][]): Span[][] {
  const node = Node.fromJSON(schema, toTiptap(paragraphs));
  node.check();
  return fromTiptap(node.toJSON());
}

const styles: Omit<Span, "text">[] = [
  { bold: false, italic: false, link: "" },
  { bold: true, italic: false, link: "" },
  { bold: false, italic: true, link: "https://example.org/a?b=1&c=2" },
  { bold: true, italic: true, link: "mailto:ana@example.org" },
];
const texts = [
  "Hello ",
  "  two spaces  ",
  "a\nb",
  "\n",
  "\n\nend",
  '{{ first_name | fallback("there") }}',
  "{{first_name}}",
  "{{ first_name | fallback('du') }},",
  '{{ club | fallback("a \\"b\\" {{ c }}") }}',
  "{{ first_name | upper }}",
  "{% if city %}in {{ city }}{% endif %}",
  "{{ not closed",
  "}} {{",
  "שלום",
  "👩🏽‍🚀 e\u0301",
  "\ttab",
  "<b>no markup</b> &amp;",
];

/** A small generator with a seed, so that a failure can be seen again. */
function* numbers(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

describe("spans and Tiptap", () => {
  it.each(texts)("keeps %j as it is", (text) => {
    expect(around([[plain(text)]]), "no text may change on its way through the editor").toEqual([[plain(text)]]);
  });

  it("keeps any run of styles, breaks and fields", () => {
    const random = numbers(7);
    const below = (n: number): number => Math.floor(random.next().value * n);
    for (let round = 0; round < 400; round += 1) {
      const paragraphs = Array.from({ length: 1 + below(4) }, () =>
        normalise(
          Array.from({ length: below(6) }, () => ({ text: texts[below(texts.length)] ?? "", ...(styles[below(4)] ?? styles[0]!) })),
        ),
      );
      expect(around(paragraphs), `round ${round}`).toEqual(paragraphs);
    }
  });

  it("gives an empty text a paragraph to stand in", () => {
    expect(around([])).toEqual([[]]);
    expect(around([[], []])).toEqual([[], []]);
  });

  it("joins spans that say the same in another cut", () => {
    expect(normalise([plain("a"), plain(""), plain("b"), { ...plain("c"), bold: true }])).toEqual([
      plain("ab"),
      { ...plain("c"), bold: true },
    ]);
  });

  it("shows a field as one thing and other template text as text", () => {
    const content = toTiptap([[plain('Hi {{ first_name | fallback("you") }}, {{ x | upper }}')]]).content?.[0]?.content;
    expect(content?.map((node) => node.type)).toEqual(["text", "mergeField", "text"]);
  });

  it("survives a real editor without an edit", () => {
    const paragraphs = [[plain("Hi "), { ...plain("{{ first_name }}\nthere"), bold: true }], [plain("{% raw %}")]];
    const editor = new Editor({ extensions: inlineExtensions("paragraphs"), content: toTiptap(paragraphs) });
    expect(fromTiptap(editor.getJSON())).toEqual(paragraphs);
    editor.destroy();
  });

  it("puts no unsafe link into the page", () => {
    const link = "javascript:alert(1)";
    const editor = new Editor({ extensions: inlineExtensions("line"), content: toTiptap([[{ ...plain("x"), link }]]) });
    expect(editor.getHTML()).not.toContain("javascript:");
    expect(fromTiptap(editor.getJSON())[0]?.[0]?.link, "the document keeps it for the renderer to refuse").toBe(link);
    editor.destroy();
  });
});
