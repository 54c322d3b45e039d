import { WharfError } from "@wharf/contract";
import { quoteLexeme, splitWords, type Word } from "./words.ts";

/** What a person searches for. */
export interface SearchQuery {
  /** The query as a `tsquery`. */
  readonly expression: string;
  /** Whether a word of a text is one of those that the query asks for. */
  readonly isWanted: (word: string) => boolean;
}

interface Term {
  readonly words: readonly string[];
  readonly isExcluded: boolean;
  /** Whether words that only begin with the last one count too. */
  readonly isPrefix: boolean;
}

const maxWords = 32;
/** A shorter word at the end of a query would match the beginning of too many. */
const minPrefixLength = 3;
const termPattern = /(?<minus>-?)(?:"(?<phrase>[^"]*)"?|(?<plain>[^\s"]+))/g;

/**
 * Parses what a person typed. The expression contains only quoted words of letters and digits, so
 * no text is an operator or an error of its syntax.
 */
export function parseSearchQuery(text: string): SearchQuery {
  const groups = parseGroups(text);
  const terms = groups.flat();
  const hasWanted = groups.every((group) => group.some(({ isExcluded }) => !isExcluded));
  if (terms.length === 0 || !hasWanted) throw new WharfError("search_without_words", {});
  const wanted = terms.filter(({ isExcluded }) => !isExcluded);
  const exact = new Set(wanted.flatMap(({ words }) => words));
  const prefixes = wanted.flatMap(({ words, isPrefix }) => (isPrefix ? (words.at(-1) ?? []) : []));
  return {
    expression: groups.map((group) => `(${group.map(formatTerm).join(" & ")})`).join(" | "),
    isWanted: (word) => exact.has(word) || prefixes.some((prefix) => word.startsWith(prefix)),
  };
}

/** The alternatives of a query: between them is `or`, and each needs all of its terms. */
function parseGroups(text: string): Term[][] {
  const groups: Term[][] = [[]];
  let remaining = maxWords;
  for (const { groups: parts, index, 0: match } of text.matchAll(termPattern)) {
    const { minus = "", phrase, plain = "" } = parts ?? {};
    if (phrase === undefined && match.toLowerCase() === "or") {
      if (groups.at(-1)?.length) groups.push([]);
      continue;
    }
    const words = splitWords(phrase ?? plain)
      .slice(0, remaining)
      .map(({ word }: Word) => word);
    if (words.length === 0) continue;
    remaining -= words.length;
    const isExcluded = minus !== "";
    const isLast = index + match.length === text.length && phrase === undefined;
    const isPrefix = isLast && !isExcluded && (words.at(-1)?.length ?? 0) >= minPrefixLength;
    groups.at(-1)?.push({ words, isExcluded, isPrefix });
  }
  return groups.filter((group) => group.length > 0);
}

function formatTerm({ words, isExcluded, isPrefix }: Term): string {
  const quoted = words.map((word, i) => `${quoteLexeme(word)}${isPrefix && i === words.length - 1 ? ":*" : ""}`);
  const phrase = quoted.length === 1 ? quoted.join("") : `(${quoted.join(" <-> ")})`;
  return isExcluded ? `!${phrase}` : phrase;
}
