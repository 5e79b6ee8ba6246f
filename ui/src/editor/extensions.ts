/** What inline text can hold in Tiptap: bold, italic, link, line break, merge field. */
import { InputRule, Node, PasteRule, mergeAttributes, type Extensions } from "@tiptap/core";
import { Bold } from "@tiptap/extension-bold";
import { Document } from "@tiptap/extension-document";
import { HardBreak } from "@tiptap/extension-hard-break";
import { Italic } from "@tiptap/extension-italic";
import { Link } from "@tiptap/extension-link";
import { Paragraph } from "@tiptap/extension-paragraph";
import { Text } from "@tiptap/extension-text";
import { UndoRedo } from "@tiptap/extensions";
import { isLink } from "./links";
import { MERGE_AT_END, mergeLabel, mergePattern, parseMerge } from "./merge";

/** A merge field: one thing to the caret, its exact source to the document. */
export const MergeField = Node.create({
  name: "mergeField",
  group: "inline",
  inline: true,
  atom: true,
  selectable: true,
  addAttributes() {
    return {
      source: {
        default: "",
        parseHTML: (element) => element.getAttribute("data-merge"),
        renderHTML: ({ source }) => ({ "data-merge": source as string }),
      },
    };
  },
  parseHTML() {
    return [{ tag: "span[data-merge]" }];
  },
  renderText({ node }) {
    return String(node.attrs["source"]);
  },
  renderHTML({ node, HTMLAttributes }) {
    const source = String(node.attrs["source"]);
    const field = parseMerge(source);
    return ["span", mergeAttributes(HTMLAttributes, { class: "merge", title: source }), field ? mergeLabel(field) : source];
  },
  addInputRules() {
    return [
      new InputRule({
        find: MERGE_AT_END,
        handler: ({ state, range, match }) => {
          const marks = state.doc.resolve(range.from).marks();
          state.tr.replaceWith(range.from, range.to, this.type.create({ source: match[0] }, null, marks));
        },
      }),
    ];
  },
  addPasteRules() {
    return [
      new PasteRule({
        find: mergePattern(),
        handler: ({ state, range, match }) => {
          const marks = state.doc.resolve(range.from).marks();
          state.tr.replaceWith(range.from, range.to, this.type.create({ source: match[0] }, null, marks));
        },
      }),
    ];
  },
});

/** A heading is one paragraph, so that no Enter or paste can make it two. */
const OneParagraph = Document.extend({ content: "paragraph" });

/** Each paragraph finds its own direction. */
const Lines = Paragraph.configure({ HTMLAttributes: { dir: "auto" } });

/**
 * What the text is: a line with style, paragraphs with style, or a plain line such as a subject.
 *
 * A plain line has an undo of its own; the others share the document's.
 */
export type Shape = "line" | "paragraphs" | "plain";

export function inlineExtensions(shape: Shape): Extensions {
  if (shape === "plain") return [OneParagraph, Lines, Text, MergeField, UndoRedo];
  return [
    shape === "line" ? OneParagraph : Document,
    Lines,
    Text,
    Bold,
    Italic,
    HardBreak,
    Link.configure({
      openOnClick: false,
      autolink: false,
      linkOnPaste: true,
      protocols: ["http", "https", "mailto", "tel"],
      HTMLAttributes: { target: null, rel: null },
      isAllowedUri: (url) => isLink(url),
      shouldAutoLink: () => false,
    }),
    MergeField,
  ];
}
