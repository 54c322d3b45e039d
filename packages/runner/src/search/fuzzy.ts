/**
 * How well a few typed characters fit a path. All must occur in it in their order; capitals matter where the query has
 * some. What scores: characters in a row, at the begin of a word or of the name, in the name rather than in its folders.
 */

export interface Fit {
  score: number;
  positions: number[];
}

const MATCH = 16;
const IN_A_ROW = 12;
const WORD = 10;
const NAME = 8;
const NAME_BEGIN = 12;
const EXACT_NAME = 60;
const GAP = 1; // for each character left out between two that matched
const MOST_GAP = 12;

export interface Query {
  readonly text: string;
  readonly exactCase: boolean;
}

export const parseQuery = (query: string): Query => {
  const text = query.replace(/\s+/g, "");
  const exactCase = text !== text.toLowerCase();
  return { text, exactCase };
};

/** Nothing where it does not fit. */
export function fit(query: Query, path: string): Fit | undefined {
  const folded = query.exactCase ? path : path.toLowerCase();
  // A few letters become two when they are made small; then positions would be wrong.
  const subject = folded.length === path.length ? folded : path;
  const name = path.lastIndexOf("/") + 1;
  const inName = query.text.includes("/") ? undefined : positionsOf(query.text, subject, name);
  const positions = inName ?? positionsOf(query.text, subject, 0);
  if (!positions) return undefined;
  return { score: scoreOf(positions, { path, name, whole: subject.slice(name) === query.text }), positions };
}

/** The shortest stretch that ends where the first one found ends. */
function positionsOf(query: string, path: string, from: number): number[] | undefined {
  let at = from - 1;
  for (const char of query) {
    at = path.indexOf(char, at + 1);
    if (at === -1) return undefined;
    at += char.length - 1;
  }
  const positions: number[] = [];
  let end = at + 1;
  for (const char of Array.from(query).toReversed()) {
    end = path.lastIndexOf(char, end - char.length);
    positions.push(end);
  }
  return positions.toReversed();
}

function scoreOf(
  positions: readonly number[],
  { path, name, whole }: { path: string; name: number; whole: boolean },
): number {
  let score = whole ? EXACT_NAME : 0;
  let before = -2;
  for (const at of positions) {
    score += MATCH;
    if (at === before + 1) score += IN_A_ROW;
    else if (before >= 0) score -= Math.min(MOST_GAP, (at - before - 1) * GAP);
    if (beginsWord(path, at)) score += WORD;
    if (at >= name) score += NAME;
    if (at === name) score += NAME_BEGIN;
    before = at;
  }
  // Of two that fit alike the shorter one is meant.
  return score - path.length / 16;
}

function beginsWord(path: string, at: number): boolean {
  if (at === 0) return true;
  const before = path.charAt(at - 1);
  if (/[\s/._-]/.test(before)) return true;
  return /[a-z]/.test(before) && /[A-Z]/.test(path.charAt(at));
}
