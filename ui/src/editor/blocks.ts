/** Blocks of a mail as values: new ones, and what may be done with a list of them. Nothing here changes its argument. */
import type { Block, Document, Span } from "$lib/bindings/api";
import { normalise, plain, textOf } from "./spans";

export type BlockType = Block["type"];
export type BlockOf<T extends BlockType> = Extract<Block, { type: T }>;

/** A block with a name of its own, so that moving it keeps its editor and its focus. */
export interface KeyedBlock {
  readonly key: string;
  readonly block: Block;
}

/** The version of the format that this editor writes. */
export const DOCUMENT_VERSION = 1;
/** The core refuses more. */
export const MAX_BLOCKS = 500;

export const BLOCK_WORDS = {
  heading: "Heading",
  text: "Text",
  list: "List",
  image: "Image",
  button: "Button",
  divider: "Divider",
  consent: "Consent question",
  footer: "Footer",
} satisfies Record<BlockType, string>;

/** Words to agree to that say what is recorded, for what, and that it can be ended. */
export const CONSENT_WORDING =
  "You may record when I open the mails that you send me, with which kind of program and from which part of the internet, to learn whether they are read, and for nothing else. I can end this at any time with the link in every mail, and still get the mails.";

export const CONSENT_LABEL = "Say yes or no";

export function newBlock(type: BlockType): Block {
  switch (type) {
    case "heading":
      return { type, level: 2, spans: [] };
    case "text":
      return { type, paragraphs: [[]] };
    case "list":
      return { type, ordered: false, items: [[]] };
    case "image":
      return { type, src: "", alt: "", link: "" };
    case "button":
      return { type, label: "", link: "" };
    case "divider":
      return { type };
    case "consent":
      return { type, wording: CONSENT_WORDING, label: CONSENT_LABEL, only: false };
    case "footer":
      return { type, paragraphs: [] };
  }
}

/** What a new mail begins with: a greeting, room to write, a footer. */
export function firstDocument(): Document {
  return {
    version: DOCUMENT_VERSION,
    blocks: [
      { type: "heading", level: 1, spans: [] },
      { type: "text", paragraphs: [[plain('Hello {{ first_name | fallback("there") }},')], []] },
      { type: "footer", paragraphs: [] },
    ],
  };
}

/** A whole short mail that asks whether opens may be counted, and goes only to people who can be asked. */
export function askingDocument(): Document {
  return {
    version: DOCUMENT_VERSION,
    blocks: [
      { type: "heading", level: 1, spans: [plain("May we count whether our mails are opened?")] },
      {
        type: "text",
        paragraphs: [
          [plain('Hello {{ first_name | fallback("there") }},')],
          [plain("we would like to know whether our mails are read, so that we write what is useful to you and stop what is not.")],
          [plain("You decide. You get our mails either way, this one counts nothing, and without an answer nothing changes. This is what you would agree to:")],
        ],
      },
      { type: "consent", wording: CONSENT_WORDING, label: CONSENT_LABEL, only: true },
      { type: "text", paragraphs: [[plain("Thank you for your time.")]] },
      { type: "footer", paragraphs: [] },
    ],
  };
}

/** What keeps words from being agreed to; the core refuses the same. */
export function wordingError(wording: string): string | undefined {
  if (wording.trim() === "") return "Write what people would agree to.";
  if (["{{", "{%", "{#"].some((tag) => wording.includes(tag))) return "These words are the same for everyone. Take out the merge field.";
  return [...wording].length > 10_000 ? "These words are longer than anybody reads. Shorten them." : undefined;
}

/** Types of which a mail has one at most. */
export function isSingle(type: BlockType): boolean {
  return type === "footer" || type === "consent";
}

/** The paragraphs that an inline editor shows of a block; null for blocks without text. */
export function paragraphsOf(block: Block): Span[][] | null {
  switch (block.type) {
    case "heading":
      return [block.spans];
    case "text":
    case "footer":
      return block.paragraphs;
    case "list":
      return block.items;
    default:
      return null;
  }
}

/** The block with other paragraphs, in the form that the core wants. */
export function withParagraphs(block: Block, paragraphs: Span[][]): Block {
  const given = paragraphs.map(normalise);
  switch (block.type) {
    case "heading":
      return { ...block, spans: given[0] ?? [] };
    case "text":
      return { ...block, paragraphs: given.length === 0 ? [[]] : given };
    case "list":
      return { ...block, items: given.length === 0 ? [[]] : given };
    case "footer":
      // An untouched footer is no paragraph, not an empty one.
      return { ...block, paragraphs: given.every((spans) => spans.length === 0) ? [] : given };
    default:
      return block;
  }
}

/** Whether nothing would be lost with the block. */
export function isEmpty(block: Block): boolean {
  const paragraphs = paragraphsOf(block);
  if (paragraphs !== null) return paragraphs.every((spans) => textOf(spans) === "");
  switch (block.type) {
    case "image":
      return block.src === "" && block.alt === "";
    case "button":
      return block.label === "" && block.link === "";
    case "consent":
      return block.wording.trim() === "" || block.wording === CONSENT_WORDING;
    default:
      return true;
  }
}

/** What a block is called where its picture cannot be seen: `Heading “Spring”`. */
export function blockLabel(block: Block): string {
  const words = BLOCK_WORDS[block.type];
  const said =
    block.type === "image"
      ? block.alt
      : block.type === "button"
        ? block.label
        : block.type === "consent"
          ? block.wording
          : textOf(paragraphsOf(block)?.[0] ?? []);
  const short = said.length > 40 ? `${said.slice(0, 39)}…` : said;
  return short.trim() === "" ? words : `${words} “${short.trim()}”`;
}

export function inserted(blocks: readonly KeyedBlock[], at: number, ...added: KeyedBlock[]): KeyedBlock[] {
  return [...blocks.slice(0, at), ...added, ...blocks.slice(at)];
}

/** Moves the block at `from` so that it stands at `to` afterwards. */
export function moved(blocks: readonly KeyedBlock[], from: number, to: number): KeyedBlock[] {
  const block = blocks[from];
  if (block === undefined) return [...blocks];
  const rest = blocks.filter((_, index) => index !== from);
  return inserted(rest, Math.max(0, Math.min(rest.length, to)), block);
}

export function replaced(blocks: readonly KeyedBlock[], key: string, block: Block): KeyedBlock[] {
  return blocks.map((each) => (each.key === key ? { key, block } : each));
}
