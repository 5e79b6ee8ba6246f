/** A line as one types it into a terminal, cut into the words that a program is given. No shell is involved. */

export type Words = { words: string[]; problem?: undefined } | { words: string[]; problem: string };

/**
 * Cuts at white space. Quotes of either kind keep a word together; a backslash makes a quote or a space plain, and is
 * itself before anything else, so that a path of Windows stays what it is.
 */
export function wordsOf(line: string): Words {
  const words: string[] = [];
  let word = "";
  let isWord = false;
  let quote: string | undefined;
  for (let at = 0; at < line.length; at += 1) {
    const letter = line.charAt(at);
    const next = line.charAt(at + 1);
    if (letter === "\\" && quote !== "'" && /["'\s]/.test(next) && next !== "") {
      word += next;
      isWord = true;
      at += 1;
    } else if (quote !== undefined) {
      if (letter === quote) quote = undefined;
      else word += letter;
    } else if (letter === '"' || letter === "'") {
      quote = letter;
      isWord = true;
    } else if (/\s/.test(letter)) {
      if (isWord) words.push(word);
      word = "";
      isWord = false;
    } else {
      word += letter;
      isWord = true;
    }
  }
  if (isWord) words.push(word);
  if (quote !== undefined) return { words, problem: `A quote ${quote} is opened and not closed.` };
  return { words };
}

/** Writes words as a line that is cut into the same words again. */
export function lineOf(words: readonly string[]): string {
  return words.map(quoted).join(" ");
}

function quoted(word: string): string {
  if (word !== "" && !/["'\s]/.test(word)) return word;
  if (!word.includes("'")) return `'${word}'`;
  // Each quote apart: before one inside quotes a backslash of a path would be taken for its escape.
  return word.replaceAll(/'+|[^']+/g, (part) => (part.startsWith("'") ? `"${part}"` : `'${part}'`));
}

/** What a shell would act on, and no program that is started without one does. */
export function shellSign(words: readonly string[]): string | undefined {
  return words.find((word) => /^(\d?>{1,2}|<|\||\|\||&&|&|;)$/.test(word) || /\$\(|`/.test(word) || /[^\\];$/.test(word));
}
