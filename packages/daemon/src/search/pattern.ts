import type { ContentSearch } from "@wharf/contract";

type PatternInput = Pick<ContentSearch, "pattern" | "mode" | "case" | "whole_word">;

/**
 * Converts the pattern to a JavaScript regular expression. Throws a SyntaxError for an invalid
 * pattern.
 */
export function toExpression({ pattern, mode, whole_word, ...input }: PatternInput): { source: string; flags: string } {
  const body = mode === "literal" ? pattern.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&") : pattern;
  const source = whole_word ? `(?<![\\p{L}\\p{N}_])(?:${body})(?![\\p{L}\\p{N}_])` : body;
  const insensitive = input.case === "insensitive" || (input.case === "smart" && !/\p{Lu}/u.test(pattern));
  // With `u`, classes and case follow Unicode, as in ripgrep.
  const flags = insensitive ? "giu" : "gu";
  return { source: source.replace(/\\-/g, "\\x2d"), flags };
}

/** Returns the error in a pattern, or undefined for a valid one. */
export function getPatternError(input: PatternInput): string | undefined {
  try {
    const { source, flags } = toExpression(input);
    new RegExp(source, flags);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : "is not a regular expression";
  }
}
