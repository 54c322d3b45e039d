/**
 * Words of texts and of queries: letters and digits, in lower case. PostgreSQL's own parser would
 * keep a path or an address as one word, and drop what looks like a tag. Both sides are split here,
 * and so are excerpts, so that what matches is also what is marked.
 */
const wordPattern = /[\p{L}\p{M}\p{N}]+/gu;
const maxWordLength = 64;
/** PostgreSQL stores no higher position of a word. */
const maxPosition = 16_383;

export interface Word {
  readonly word: string;
  /** Where the word is in the text, in UTF-16 code units. */
  readonly start: number;
  readonly end: number;
}

/** How much a word counts in the order of results: `A` is the most. */
export type Weight = "A" | "B" | "C" | "D";

export const splitWords = (text: string): Word[] =>
  Array.from(text.matchAll(wordPattern), ({ 0: match, index }) => ({
    word: toLexeme(match),
    start: index,
    end: index + match.length,
  }));

const toLexeme = (text: string): string => text.normalize("NFKC").toLowerCase().slice(0, maxWordLength);

/** Quotes a word for a `tsvector` or a `tsquery`. */
export const quoteLexeme = (word: string): string => `'${word.replaceAll(/['\\]/g, "$&$&")}'`;

export interface WeightedText {
  readonly text: string;
  readonly weight: Weight;
}

/** Formats texts as a `tsvector`, together with labels, which no text contains. */
export function formatVector(texts: readonly WeightedText[], labels: readonly string[]): string {
  const positions = new Map<string, string[]>();
  let position = 0;
  for (const { text, weight } of texts) {
    for (const { word } of splitWords(text)) {
      position = Math.min(position + 1, maxPosition);
      const places = positions.get(word);
      if (places) places.push(`${position}${weight}`);
      else positions.set(word, [`${position}${weight}`]);
    }
    // A phrase does not continue in the next text.
    position = Math.min(position + 1, maxPosition);
  }
  const words = Array.from(positions, ([word, places]) => `${quoteLexeme(word)}:${places.join(",")}`);
  return [...labels.map(quoteLexeme), ...words].join(" ");
}
