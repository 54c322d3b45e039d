/** Between `min` and `max` bytes of one set, as many as there are. */
interface Step {
  readonly bytes: ReadonlySet<number>;
  readonly min: number;
  readonly max: number;
}
/**
 * A way to write a character. No step matches the first byte of the next one, so matching never
 * backtracks.
 */
export type Spelling = readonly Step[];
/** All ways to write one character, by their first byte. */
export type Letter = ReadonlyMap<number, readonly Spelling[]>;
/** A secret in one encoding, letter by letter. */
export type Form = readonly Letter[];

/**
 * A shorter key is a placeholder for a server that needs none, such as "none" or "ollama": Wharf
 * hides only the word itself, because its encodings and other spellings occur in any text.
 */
const minEncodedLength = 8;
/** Nested escapes, such as JSON inside JSON, put this many backslashes before a character. */
const maxBackslashes = 8;
const maxLeadingZeros = 6;

/**
 * Returns the forms in which Wharf recognises a secret: as it is and in other case, each character
 * individually escaped or not (JSON, HTML, URL); in hex; in base64 at each of the three offsets
 * that a surrounding text gives it.
 */
export function getSecretForms(secret: string): Form[] {
  if (secret === "") return [];
  if (secret.length < minEncodedLength) return [Array.from(secret, (character) => getLetter([character]))];
  const bytes = Buffer.from(secret);
  const getCases = (character: string) => [...new Set([character, character.toLowerCase(), character.toUpperCase()])];
  return [
    Array.from(secret, (character) => getLetter(getCases(character))),
    Array.from(bytes.toString("hex"), (digit) => getSharedLetter(`hex ${digit}`, () => [toAnyCaseSpelling(digit)])),
    ...[0, 1, 2].map((offset) => getBase64(bytes, offset)),
  ];
}

/**
 * Secrets share their letters. There is one for each character, digit and group of bits, so the
 * number of them does not grow with the number of secrets.
 */
const letters = new Map<string, Letter>();

function getSharedLetter(name: string, getLetterSpellings: () => readonly Spelling[]): Letter {
  const letter = letters.get(name) ?? toLetter(getLetterSpellings());
  letters.set(name, letter);
  return letter;
}

const getLetter = (characters: readonly string[]): Letter =>
  getSharedLetter(`character ${characters.join("")}`, () => characters.flatMap(getSpellings));

function toLetter(spellings: readonly Spelling[]): Letter {
  const letter = new Map<number, Spelling[]>();
  for (const spelling of spellings)
    for (const byte of spelling[0]?.bytes ?? []) letter.set(byte, [...(letter.get(byte) ?? []), spelling]);
  return letter;
}

const getSpellings = (character: string): Spelling[] => [
  toSpelling(character),
  ...getEscapes(character),
  ...getEntities(character),
  ...getPercentEncodings(character),
];

function getEscapes(character: string): Spelling[] {
  const code = character.codePointAt(0) ?? 0;
  const units = Array.from({ length: character.length }, (_, index) =>
    character.charCodeAt(index).toString(16).padStart(4, "0"),
  );
  const unicode = units.flatMap((unit) => [backslashes, ...toSpelling("u"), ...toAnyCaseSpelling(unit)]);
  const braced = [
    backslashes,
    ...toSpelling("u{"),
    leadingZeros,
    ...toAnyCaseSpelling(code.toString(16)),
    ...toSpelling("}"),
  ];
  const hex = [backslashes, ...toAnyCaseSpelling("x"), ...toAnyCaseSpelling(code.toString(16).padStart(2, "0"))];
  const itself = [1, 3].map((count) => toSpelling("\\".repeat(count) + character));
  return [
    unicode,
    braced,
    ...(code < 256 ? [hex] : []),
    // Encoders escape punctuation with a plain backslash, as in `\/`; before a letter a backslash
    // has another meaning.
    ...(/^[\p{L}\p{N}]$/u.test(character) ? [] : itself),
  ];
}

const entityNames: Readonly<Record<string, readonly string[]>> = {
  "&": ["amp"],
  "<": ["lt"],
  ">": ["gt"],
  '"': ["quot"],
  "'": ["apos"],
  "+": ["plus"],
  "/": ["sol"],
  "=": ["equals"],
  "-": ["hyphen", "dash"],
  _: ["lowbar", "UnderBar"],
  ".": ["period"],
  ":": ["colon"],
};

function getEntities(character: string): Spelling[] {
  const code = character.codePointAt(0) ?? 0;
  return ["&", "&amp;"].flatMap((lead) => [
    [...toSpelling(`${lead}#`), leadingZeros, ...toSpelling(String(code)), semicolon],
    [
      ...toSpelling(`${lead}#`),
      ...toAnyCaseSpelling("x"),
      leadingZeros,
      ...toAnyCaseSpelling(code.toString(16)),
      semicolon,
    ],
    ...(entityNames[character] ?? []).map((name) => toSpelling(`${lead}${name};`)),
  ]);
}

function getPercentEncodings(character: string): Spelling[] {
  const bytes = [...Buffer.from(character)].map((byte) => byte.toString(16).padStart(2, "0"));
  return ["%", "%25"].map((lead) => bytes.flatMap((byte) => [...toSpelling(lead), ...toAnyCaseSpelling(byte)]));
}

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/** The last two characters, in the standard alphabet and in the one for URLs. */
const base64Punctuation = [
  ["+", "-"],
  ["/", "_"],
];

/**
 * Base64 of a text that holds the secret after `offset` other bytes. A character that also holds
 * bits of a neighbour matches every character that agrees with the secret's own bits.
 */
function getBase64(secret: Buffer, offset: number): Form {
  const bits = [...secret].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const all = "?".repeat(offset * 8) + bits;
  const sextets = all.padEnd(Math.ceil(all.length / 6) * 6, "?").match(/.{6}/g) ?? [];
  return sextets
    .filter((sextet) => sextet !== "??????")
    .map((sextet) => getSharedLetter(`bits ${sextet}`, () => getSextetSpellings(sextet)));
}

function getSextetSpellings(pattern: string): Spelling[] {
  const values = Array.from({ length: 64 }, (_, value) => value).filter((value) =>
    Array.from(value.toString(2).padStart(6, "0")).every(
      (bit, index) => pattern[index] === "?" || pattern[index] === bit,
    ),
  );
  const alphanumeric = values.flatMap((value) => base64Alphabet[value] ?? []);
  const punctuation = values.flatMap((value) => base64Punctuation[value - base64Alphabet.length] ?? []);
  const set = new Set(Buffer.from(alphanumeric.join("")));
  return [[{ bytes: set, min: 1, max: 1 }], ...punctuation.flatMap(getSpellings)];
}

const createStep = (...bytes: readonly number[]): Step => ({ bytes: new Set(bytes), min: 1, max: 1 });
const toSpelling = (characters: string): Spelling => [...Buffer.from(characters)].map((byte) => createStep(byte));
const toAnyCaseSpelling = (characters: string): Spelling =>
  Array.from(characters, (one) => createStep(...Buffer.from(one.toLowerCase()), ...Buffer.from(one.toUpperCase())));
const backslashes: Step = { ...createStep(0x5c), max: maxBackslashes };
const leadingZeros: Step = { ...createStep(0x30), min: 0, max: maxLeadingZeros };
const semicolon: Step = { ...createStep(0x3b), min: 0 };
