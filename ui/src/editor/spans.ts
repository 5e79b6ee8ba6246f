/**
 * The mail's inline text to and from Tiptap's JSON, without loss.
 *
 * Spans that say the same in another cut are one text: empty ones vanish and neighbours of one style join.
 */
import type { JSONContent } from "@tiptap/core";
import type { Span } from "$lib/bindings/api";
import { splitMerge } from "./merge";

type Style = Omit<Span, "text">;
type Mark = NonNullable<JSONContent["marks"]>[number];

const PLAIN: Style = { bold: false, italic: false, link: "" };

/** A span without style. */
export function plain(text: string): Span {
  return { text, ...PLAIN };
}

/** Drops empty spans and joins neighbours of one style. */
export function normalise(spans: readonly Span[]): Span[] {
  const joined: Span[] = [];
  for (const { text, bold, italic, link } of spans) {
    if (text === "") continue;
    const last = joined.at(-1);
    if (last !== undefined && last.bold === bold && last.italic === italic && last.link === link) last.text += text;
    else joined.push({ text, bold, italic, link });
  }
  return joined;
}

/** Paragraphs as the document that Tiptap edits. It always has a paragraph to stand in. */
export function toTiptap(paragraphs: readonly (readonly Span[])[]): JSONContent {
  const shown = paragraphs.length === 0 ? [[]] : paragraphs;
  return { type: "doc", content: shown.map(paragraphToTiptap) };
}

function paragraphToTiptap(spans: readonly Span[]): JSONContent {
  const content = spans.flatMap(spanToTiptap);
  return content.length === 0 ? { type: "paragraph" } : { type: "paragraph", content };
}

function spanToTiptap(span: Span): JSONContent[] {
  const marks = marksOf(span);
  const marked = (node: JSONContent): JSONContent => (marks.length === 0 ? node : { ...node, marks });
  return span.text.split("\n").flatMap((line, at) => [
    ...(at > 0 ? [marked({ type: "hardBreak" })] : []),
    ...splitMerge(line).map(({ source, isField }) =>
      marked(isField ? { type: "mergeField", attrs: { source } } : { type: "text", text: source }),
    ),
  ]);
}

function marksOf({ bold, italic, link }: Style): Mark[] {
  return [
    ...(bold ? [{ type: "bold" }] : []),
    ...(italic ? [{ type: "italic" }] : []),
    ...(link === "" ? [] : [{ type: "link", attrs: { href: link } }]),
  ];
}

/** What Tiptap holds, as paragraphs of spans. */
export function fromTiptap(doc: JSONContent): Span[][] {
  return (doc.content ?? []).map((paragraph) => normalise((paragraph.content ?? []).map(spanOf)));
}

function spanOf(node: JSONContent): Span {
  const style = styleOf(node.marks ?? []);
  switch (node.type) {
    case "hardBreak":
      return { text: "\n", ...style };
    case "mergeField":
      return { text: String(node.attrs?.["source"] ?? ""), ...style };
    default:
      return { text: node.text ?? "", ...style };
  }
}

function styleOf(marks: readonly Mark[]): Style {
  const link = marks.find((mark) => mark.type === "link")?.attrs?.["href"];
  return {
    bold: marks.some((mark) => mark.type === "bold"),
    italic: marks.some((mark) => mark.type === "italic"),
    link: typeof link === "string" ? link : "",
  };
}

/** The words of spans without their style: for labels and announcements. */
export function textOf(spans: readonly Span[]): string {
  return spans.map((span) => span.text).join("");
}
