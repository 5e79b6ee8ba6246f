/** Where a mail may lead: the schemes that the core takes, and what a person types read as one of them. */
const SCHEMES = /^(https?:\/\/|mailto:|tel:)/i;

/** Whether the core takes it as a link. A merge field inside is the renderer's to judge. */
export function isLink(link: string): boolean {
  return SCHEMES.test(link) && !/[\s\u0000-\u001f]/.test(link.replace(/\{\{.*?\}\}|\{%.*?%\}/g, ""));
}

/** Whether it can be the address of a picture: on the web, or a file of the campaign's own. */
export function isPicture(link: string): boolean {
  if (/^picture:[0-9a-f]{64}$/.test(link)) return true;
  return /^https?:\/\//i.test(link) && isLink(link);
}

/** Reads what was typed: `example.org` is a web page, `ana@example.org` an address. Null where it is no link. */
export function readLink(typed: string): string | null {
  const text = typed.trim();
  if (text === "") return null;
  if (isLink(text)) return text;
  if (/^[a-z][a-z0-9+.-]*:/i.test(text) && !/^[^/]+:\d+(\/|$)/.test(text)) return null;
  if (/^[^\s@/]+@[^\s@/]+\.[^\s@/]+$/.test(text)) return `mailto:${text}`;
  if (/^\+?[\d ()/-]{6,}$/.test(text)) return `tel:${text.replace(/[^\d+]/g, "")}`;
  const url = `https://${text}`;
  return /^[^\s/]+\.[^\s/]+/.test(text) && isLink(url) ? url : null;
}
