/** The mail clients that a practice mail can be opened as. */
import type { ReaderClient } from "$lib/bindings/api";

export const READERS = [
  { client: "gmail", label: "Gmail", about: "A person looks; Google's image proxy asks." },
  { client: "gmail_prefetch", label: "Gmail in advance", about: "Google fetches the picture before anyone looks." },
  { client: "iphone", label: "iPhone", about: "A person looks, Mail privacy protection is off." },
  { client: "apple_privacy", label: "Apple privacy", about: "Mail privacy protection fetches in advance." },
  { client: "outlook", label: "Outlook", about: "A person looks in Outlook on Windows." },
  { client: "scanner", label: "Scanner", about: "A security scanner that names itself." },
] as const satisfies readonly { client: ReaderClient; label: string; about: string }[];
