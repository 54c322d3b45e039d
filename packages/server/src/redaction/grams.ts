import type { Letter, Spelling } from "./secret-forms.ts";

/**
 * A gram is four bytes, of which only the classes count: 5 bits each, the first byte's in the
 * highest bits.
 */
export const gramLength = 4;
const classBits = 5;
const leadClass = (1 << classBits) - 1;
/** A set of grams has one bit for each. */
const setWords = 1 << (classBits * gramLength - 5);

/**
 * Bytes that begin an escape, or separate the letters in UTF-16. A form may contain them before any
 * letter, so there would be too many grams with them: each counts as a part of a form.
 */
const leads: ReadonlySet<number> = new Set([0, ...Buffer.from("\\%&")]);

/**
 * Case does not matter in most forms. Digits and the punctuation of keys share classes with letters
 * that are rare in prose. All other bytes share the class 0.
 */
const sharedClasses: Readonly<Record<string, string>> = {
  "4": "j",
  "5": "q",
  "6": "x",
  "7": "z",
  "8": "k",
  "9": "w",
  "-": "v",
  "+": "v",
  _: "y",
  "/": "y",
  ";": "q",
  "#": "j",
  "{": "x",
  "}": "z",
};
const classCharacters = " abcdefghijklmnopqrstuvwxyz0123";

const classes = Uint32Array.from({ length: 256 }, (_, byte) => {
  if (leads.has(byte)) return leadClass;
  const character = String.fromCharCode(byte).toLowerCase();
  return Math.max(0, classCharacters.indexOf(sharedClasses[character] ?? character));
});

/** Whether each gram belongs to a form. */
export type GramSet = Uint32Array;

const leadGrams = new Uint32Array(setWords);
for (let gram = 0; gram < setWords * 32; gram++)
  for (let rest = gram; rest > 0; rest >>>= classBits) if ((rest & leadClass) === leadClass) addGram(leadGrams, gram);

/** Returns a set of the grams that count as a part of any form. */
export const createGramSet = (): GramSet => leadGrams.slice();

export function addGram(set: GramSet, gram: number): void {
  set[gram >>> 5] = (set[gram >>> 5] ?? 0) | (1 << (gram & 31));
}

export function hasGram(set: GramSet, bytes: Buffer, offset: number): boolean {
  const gram =
    ((classes[bytes[offset] ?? 0] ?? 0) << (3 * classBits)) |
    ((classes[bytes[offset + 1] ?? 0] ?? 0) << (2 * classBits)) |
    ((classes[bytes[offset + 2] ?? 0] ?? 0) << classBits) |
    (classes[bytes[offset + 3] ?? 0] ?? 0);
  return (((set[gram >>> 5] ?? 0) >>> (gram & 31)) & 1) === 1;
}

/** Up to four bytes of a letter, without those that begin escapes. */
export interface GramPiece {
  readonly gram: number;
  readonly length: number;
  /** Whether the next letter follows. */
  readonly isEnd: boolean;
}

/** Returns a piece followed by another one, cut to a gram. */
export function joinPieces(first: GramPiece, second: GramPiece): GramPiece {
  const count = Math.min(second.length, gramLength - first.length);
  return {
    gram: (first.gram << (classBits * count)) | (second.gram >>> (classBits * (second.length - count))),
    length: first.length + count,
    isEnd: second.isEnd && count === second.length,
  };
}

interface LetterPieces {
  /** The pieces that begin with the letter. */
  readonly heads: readonly GramPiece[];
  /** The pieces that end with the letter, shorter than a gram. */
  readonly tails: readonly GramPiece[];
  /** The grams inside the letter. */
  readonly grams: readonly number[];
}

const piecesByLetter = new WeakMap<Letter, LetterPieces>();

/** Secrets share letters, and a letter's pieces do not depend on its secret. */
export function getLetterPieces(letter: Letter): LetterPieces {
  const existing = piecesByLetter.get(letter);
  if (existing) return existing;
  const spellings = [...new Set([...letter.values()].flat())];
  const heads = spellings.flatMap((spelling) => readPieces(spelling, { step: 0, count: 0 }));
  const inside = removeDuplicates(
    spellings.flatMap((spelling) =>
      spelling.flatMap(({ bytes, max }, step) =>
        bytes.isSubsetOf(leads)
          ? []
          : Array.from({ length: max }, (_, count) => readPieces(spelling, { step, count })).flat(),
      ),
    ),
  );
  const pieces = {
    heads: removeDuplicates(heads),
    tails: inside.filter(({ length, isEnd }) => isEnd && length < gramLength),
    grams: inside.filter(({ length }) => length === gramLength).map(({ gram }) => gram),
  };
  piecesByLetter.set(letter, pieces);
  return pieces;
}

/** Returns the pieces that begin at a place: after `count` bytes of a step. */
function readPieces(
  spelling: Spelling,
  { step, count }: { readonly step: number; readonly count: number },
  piece: GramPiece = { gram: 0, length: 0, isEnd: true },
): GramPiece[] {
  const current = spelling[step];
  if (piece.length === gramLength || !current) return [{ ...piece, isEnd: !current }];
  const after = count >= current.min ? readPieces(spelling, { step: step + 1, count: 0 }, piece) : [];
  if (count >= current.max) return after;
  const stepClasses = new Set([...current.bytes].map((byte) => classes[byte] ?? 0));
  stepClasses.delete(leadClass);
  const longer = [...stepClasses].flatMap((gram) =>
    readPieces(spelling, { step, count: count + 1 }, joinPieces(piece, { gram, length: 1, isEnd: true })),
  );
  return [...after, ...longer];
}

export const removeDuplicates = (pieces: readonly GramPiece[]): readonly GramPiece[] =>
  pieces.length < 2 ? pieces : [...new Map(pieces.map((piece) => [toKey(piece), piece])).values()];

const toKey = ({ gram, length, isEnd }: GramPiece): number => (gram * (gramLength + 1) + length) * 2 + Number(isEnd);
