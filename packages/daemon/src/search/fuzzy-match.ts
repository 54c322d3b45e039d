/**
 * Scores how well a few typed characters fit a path. The path must contain all of them in order;
 * case matters if the query has capitals. Points go to characters in a row, at the start of a word
 * or of the name, and in the name rather than in its folders.
 */

export interface FuzzyMatch {
  score: number;
  positions: number[];
}

const matchScore = 16;
const runScore = 12;
const wordScore = 10;
const nameScore = 8;
const nameStartScore = 12;
const exactNameScore = 60;
const gapPenalty = 1; // applies to each character skipped between two matches
const maxGapPenalty = 12;

export interface FuzzyQuery {
  readonly text: string;
  readonly exactCase: boolean;
}

export const parseQuery = (query: string): FuzzyQuery => {
  const text = query.replace(/\s+/g, "");
  const exactCase = text !== text.toLowerCase();
  return { text, exactCase };
};

/** Returns undefined if the query does not fit. */
export function matchPath(query: FuzzyQuery, path: string): FuzzyMatch | undefined {
  const folded = query.exactCase ? path : path.toLowerCase();
  // A few letters become two in lower case; positions would then be wrong.
  const subject = folded.length === path.length ? folded : path;
  const nameStart = path.lastIndexOf("/") + 1;
  const inName = query.text.includes("/") ? undefined : getPositions(query.text, subject, nameStart);
  const positions = inName ?? getPositions(query.text, subject, 0);
  if (!positions) return undefined;
  return {
    score: getScore(positions, { path, nameStart, isExactName: subject.slice(nameStart) === query.text }),
    positions,
  };
}

/** Finds the shortest match that ends where the first match ends. */
function getPositions(query: string, path: string, start: number): number[] | undefined {
  let index = start - 1;
  for (const char of query) {
    index = path.indexOf(char, index + 1);
    if (index === -1) return undefined;
    index += char.length - 1;
  }
  const positions: number[] = [];
  let end = index + 1;
  for (const char of Array.from(query).toReversed()) {
    end = path.lastIndexOf(char, end - char.length);
    positions.push(end);
  }
  return positions.toReversed();
}

function getScore(
  positions: readonly number[],
  { path, nameStart, isExactName }: { path: string; nameStart: number; isExactName: boolean },
): number {
  let score = isExactName ? exactNameScore : 0;
  let previousPosition = -2;
  for (const position of positions) {
    score += matchScore;
    if (position === previousPosition + 1) score += runScore;
    else if (previousPosition >= 0) score -= Math.min(maxGapPenalty, (position - previousPosition - 1) * gapPenalty);
    if (isWordStart(path, position)) score += wordScore;
    if (position >= nameStart) score += nameScore;
    if (position === nameStart) score += nameStartScore;
    previousPosition = position;
  }
  // Prefer the shorter of two equally good matches.
  return score - path.length / 16;
}

function isWordStart(path: string, index: number): boolean {
  if (index === 0) return true;
  const previousCharacter = path.charAt(index - 1);
  if (/[\s/._-]/.test(previousCharacter)) return true;
  return /[a-z]/.test(previousCharacter) && /[A-Z]/.test(path.charAt(index));
}
