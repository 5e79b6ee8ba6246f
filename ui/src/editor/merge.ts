/**
 * Merge fields as the mail's texts hold them: `{{ first_name | fallback("there") }}`.
 *
 * Only this one shape becomes a chip. Every other template text stays text, letter for letter,
 * because the renderer and not the editor says what it means.
 */
export interface MergeField {
  name: string;
  /** What stands there when the field is missing or empty; null for nothing. */
  fallback: string | null;
}

const QUOTED = String.raw`"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'`;
const SHAPE = String.raw`\{\{[ \t]*([\p{Alphabetic}_][\p{Alphabetic}0-9_]*)[ \t]*(?:\|[ \t]*fallback\([ \t]*(${QUOTED})[ \t]*\)[ \t]*)?\}\}`;

/** Finds every merge field of a text. A new object each time: a global expression remembers its place. */
export function mergePattern(): RegExp {
  return new RegExp(SHAPE, "gu");
}

/** Matches a field that was just typed or stands alone. */
export const MERGE_AT_END = new RegExp(`${SHAPE}$`, "u");

/** Reads a source, or returns null where it is anything but one merge field. */
export function parseMerge(source: string): MergeField | null {
  const match = new RegExp(`^${SHAPE}$`, "u").exec(source);
  const name = match?.[1];
  if (match === null || name === undefined) return null;
  return { name, fallback: match[2] === undefined ? null : unquote(match[2]) };
}

/** Writes a field the way that Casement writes it. */
export function writeMerge({ name, fallback }: MergeField): string {
  if (fallback === null) return `{{ ${name} }}`;
  const quoted = fallback.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `{{ ${name} | fallback("${quoted}") }}`;
}

/** `first name · "there"`: what a chip shows. */
export function mergeLabel({ name, fallback }: MergeField): string {
  const words = fieldWords(name);
  return fallback === null ? words : `${words} · “${fallback}”`;
}

/** A text with its fields in words, for lists and titles: `Hello [first name]`. */
export function mergeWords(text: string): string {
  return text.replace(mergePattern(), (source) => `[${fieldWords(parseMerge(source)?.name ?? source)}]`);
}

/** `first_name` → `first name` */
export function fieldWords(name: string): string {
  return name.replaceAll("_", " ").trim() || name;
}

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r", "0": "\0" };

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\(.)/gs, (_, escaped: string) => ESCAPES[escaped] ?? escaped);
}

/** Cuts a text into plain pieces and merge fields, so that joined again they are the text. */
export function splitMerge(text: string): { source: string; isField: boolean }[] {
  const pieces: { source: string; isField: boolean }[] = [];
  let at = 0;
  for (const match of text.matchAll(mergePattern())) {
    if (match.index > at) pieces.push({ source: text.slice(at, match.index), isField: false });
    pieces.push({ source: match[0], isField: true });
    at = match.index + match[0].length;
  }
  if (at < text.length) pieces.push({ source: text.slice(at), isField: false });
  return pieces;
}
