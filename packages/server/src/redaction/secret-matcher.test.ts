import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { deadState, FormAutomaton } from "./form-automaton.ts";
import { getSecretForms } from "./secret-forms.ts";
import { SecretMatcher } from "./secret-matcher.ts";

const createMatcher = (values: readonly string[]) =>
  new SecretMatcher(values.map((value, index) => ({ name: `KEY_${index}`, value })));

/** Returns what a matcher would that skips nothing: it tries each offset by itself. */
function searchEachOffset(values: readonly string[], bytes: Buffer, isEnd: boolean) {
  const automaton = new FormAutomaton(values.flatMap(getSecretForms), "first byte");
  const matches: { start: number; end: number }[] = [];
  for (let start = 0; start < bytes.length; start++) {
    let end = -1;
    let progress = automaton.follow(bytes, { offset: start, state: automaton.start }, bytes.length);
    while (progress.isMatch) {
      end = progress.offset;
      progress = automaton.follow(bytes, progress, bytes.length);
    }
    if (progress.state !== deadState && !isEnd && automaton.canContinue(progress.state))
      return { matches, heldFrom: start };
    if (end < 0) continue;
    matches.push({ start, end });
    start = end - 1;
  }
  return { matches, heldFrom: bytes.length };
}

const spellings: readonly ((character: string) => string)[] = [
  (character) => character,
  (character) => character.toUpperCase(),
  (character) => `\\u00${Buffer.from(character).toString("hex")}`,
  (character) => `%${Buffer.from(character).toString("hex")}`,
  (character) => `&#${character.charCodeAt(0)};`,
  (character) => `&amp;#x00${Buffer.from(character).toString("hex")}`,
  (character) => `\0${character}`,
];
const encodings: readonly ((value: string) => string)[] = [
  (value) => Buffer.from(value).toString("base64"),
  (value) => Buffer.from(`x${value}y`).toString("base64url"),
  (value) => Buffer.from(`xy${value}`).toString("base64"),
  (value) => Buffer.from(value).toString("hex"),
];

test.each([
  ["none", "abc"],
  ["sk-secret", "sk-secretary", "pass word"],
  ["Grüße-0123456789", "%5c%5c%5c%5c\\\\&amp;"],
  ["sk-ant-api03-0123456789abcdefghijkl", "sk-ant-api03-zyxwvutsrqponmlkjihgfe", "short-10ab"],
])("skipping finds what trying each offset finds: %s, %s", (...values) => {
  const spelled = fc
    .tuple(fc.constantFrom(...values), fc.array(fc.constantFrom(...spellings), { minLength: 1, maxLength: 5 }))
    .map(([value, spell]) => Array.from(value, (one, index) => (spell[index % spell.length] ?? String)(one)).join(""));
  const encoded = fc
    .tuple(fc.constantFrom(...values), fc.constantFrom(...encodings))
    .map(([value, encode]) => encode(value));
  const whole = fc.oneof(spelled, encoded);
  const cut = fc.tuple(whole, fc.nat(40), fc.nat(400)).map(([text, from, to]) => text.slice(from, to));
  const piece = fc.oneof(whole, cut, fc.constantFrom("\\", "%", "&#0", "\0\0", " ", "0"), fc.string({ maxLength: 60 }));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (pieces, isEnd) => {
      const bytes = Buffer.from(pieces.join(""));
      const matches: { start: number; end: number }[] = [];
      const { heldFrom } = createMatcher(values).redact(bytes, {
        isEnd,
        onMatch: ({ start, end }) => matches.push({ start, end }),
      });
      expect({ matches, heldFrom }).toEqual(searchEachOffset(values, bytes, isEnd));
    }),
    { numRuns: Number(process.env["FUZZ_CASES"] ?? 150) },
  );
});

test("a secret is found at each offset of a text, however much of it is skipped", () => {
  const values = Array.from({ length: 10 }, () => `sk-ant-api03-${randomBytes(30).toString("base64url")}`);
  const matcher = createMatcher(values);
  const prose = Buffer.from("The quick brown fox jumps over the lazy dog, again and again. ".repeat(10));
  for (const value of [...values, ...values.map((each) => Buffer.from(each).toString("base64"))])
    for (let offset = 0; offset < 100; offset++) {
      const text = Buffer.concat([prose.subarray(0, offset), Buffer.from(value), prose.subarray(offset)]);
      expect(matcher.find(text)?.start).toBe(offset);
    }
});
