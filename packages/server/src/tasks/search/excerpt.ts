import { splitWords } from "./words.ts";

export interface Excerpt {
  readonly excerpt: string;
  readonly highlights: { start: number; end: number }[];
}

/** Length of an excerpt, and of its part before the first word that matches. */
const maxLength = 240;
const maxLeadLength = 60;

/** Finds where most of the wanted words are close together; 0 if the text has none of them. */
export function findBestPlace(text: string, isWanted: (word: string) => boolean): number {
  const matches = splitWords(text).filter(({ word }) => isWanted(word));
  let best = { start: 0, count: 0, span: 0 };
  for (const [i, { start }] of matches.entries()) {
    const words = new Set<string>();
    let span = 0;
    for (const { word, end } of matches.slice(i, i + maxLength)) {
      if (end > start + maxLength - maxLeadLength) break;
      if (!words.has(word)) span = end - start;
      words.add(word);
    }
    if (words.size > best.count || (words.size === best.count && span < best.span))
      best = { start, count: words.size, span };
  }
  return best.start;
}

/** Cuts one line around a place of the text, and marks the wanted words in it. */
export function createExcerpt(text: string, place: number, isWanted: (word: string) => boolean): Excerpt {
  const start = findBoundary(text, Math.max(0, place - maxLeadLength), place);
  const end = Math.min(text.length, start + maxLength);
  const part = text
    .slice(start, end)
    .toWellFormed()
    .replaceAll(/[\s\p{Cc}]+/gu, " ")
    .trim();
  const excerpt = `${start > 0 ? "… " : ""}${part}${end < text.length ? " …" : ""}`;
  const highlights = splitWords(excerpt).flatMap((word) =>
    isWanted(word.word) ? [{ start: word.start, end: word.end }] : [],
  );
  return { excerpt, highlights };
}

/** Moves the beginning of an excerpt behind the next space, so that it begins with a whole word. */
function findBoundary(text: string, from: number, limit: number): number {
  if (from === 0) return 0;
  const space = text.slice(from, limit).search(/\s/);
  return space === -1 ? from : from + space + 1;
}
