import { text } from "node:stream/consumers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SecretFilter } from "./secret-filter.ts";
import { SecretMatcher } from "./secret-matcher.ts";

const secret = "AIza-aaAIza-b";
const createMatcher = (value: string) => new SecretMatcher([{ name: "KEY", value }]);
const createFilter = (by: SecretMatcher) => new SecretFilter({ getMatcher: () => by });
const matcher = createMatcher(secret);
const stars = "*".repeat(secret.length);

function filterChunks(chunks: readonly Buffer[], by = matcher): Promise<string> {
  const filter = createFilter(by);
  for (const chunk of chunks) filter.write(chunk);
  filter.end();
  return text(filter);
}

test("a secret is removed however the chunks are split", async () => {
  const given = Buffer.from(`before ${secret}${secret} between AIza-aa${secret} after`);
  for (let a = 0; a <= given.length; a++) {
    const cut = await filterChunks([given.subarray(0, a), given.subarray(a, a + 3), given.subarray(a + 3)]);
    expect(cut).toBe(`before ${stars}${stars} between AIza-aa${stars} after`);
  }
});

test("any other bytes are unchanged, however they are split", async () => {
  const piece = fc.oneof(
    fc.constantFrom("AIza-", "AIza-aa", "a", "*", secret.slice(0, -1), "\\", "\\u0041", "&#65;", "%41", "QUl6"),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 20 }), async (pieces) => {
      const whole = pieces.join("");
      const out = await filterChunks(pieces.map((each) => Buffer.from(each)));
      // The case of the letters does not matter to the filter.
      expect(out).toBe(whole.replaceAll(new RegExp(secret, "gi"), stars));
    }),
    { numRuns: Number(process.env["FUZZ_CASES"] ?? 200) },
  );
});

test("only a possible beginning of the secret is held back", () => {
  const filter = createFilter(matcher);
  for (const whole of ["data: hello\n\n", 'data: {"text":"a&b \\n 100%"}\n\n', "data: [DONE]\r\n\r\n"]) {
    filter.write(whole);
    expect(String(filter.read())).toBe(whole);
  }
  filter.write("data: AIza-a");
  expect(String(filter.read())).toBe("data: ");
  filter.write("xyz");
  expect(String(filter.read())).toBe("AIza-axyz");
});

test("with a limit, held bytes pass although nothing follows them", async () => {
  const filter = new SecretFilter({ getMatcher: () => matcher, maxHeldMs: 1 });
  filter.write("data: AIza-");
  let seen = "";
  for await (const piece of filter) {
    seen += String(piece);
    if (seen.length === "data: AIza-".length) break;
  }
  expect(seen).toBe("data: AIza-");
});

const formatHex = (character: string, digits: number) => character.charCodeAt(0).toString(16).padStart(digits, "0");
const perCharacter = (spell: (character: string) => string) => (key: string) => Array.from(key, spell).join("");

/** A key in each form that docs/security.md promises. */
const forms: Readonly<Record<string, (key: string) => Buffer | string>> = {
  plain: (key) => key,
  "lower case": (key) => key.toLowerCase(),
  "upper case": (key) => key.toUpperCase(),
  JSON: (key) => JSON.stringify(key),
  "JSON in JSON": (key) => JSON.stringify(JSON.stringify({ key })),
  "JSON with escaped slashes": (key) => JSON.stringify(key).replaceAll("/", "\\/"),
  hex: (key) => Buffer.from(key).toString("hex"),
  "upper hex": (key) => Buffer.from(key).toString("hex").toUpperCase(),
  base64: (key) => Buffer.from(key).toString("base64"),
  "the user's name of Basic": (key) => Buffer.from(`${key}:`).toString("base64"),
  "the password of Basic": (key) => Buffer.from(`:${key}`).toString("base64"),
  "base64 behind two bytes": (key) => Buffer.from(`a:${key}`).toString("base64"),
  "base64 of a request": (key) => Buffer.from(`authorization: Bearer ${key}\r\nx: y`).toString("base64"),
  base64url: (key) => Buffer.from(`?>${key}`).toString("base64url"),
  "base64 in an address": (key) => encodeURIComponent(Buffer.from(`:${key}`).toString("base64")),
  "base64 in JSON": (key) =>
    Buffer.from(`x${key}?`).toString("base64").replaceAll("/", "\\/").replaceAll("+", "\\u002b"),
  unicode: perCharacter((one) => `\\u${formatHex(one, 4)}`),
  "upper unicode": perCharacter((one) => `\\u${formatHex(one, 4).toUpperCase()}`),
  "unicode in braces": perCharacter((one) => `\\u{${formatHex(one, 1)}}`),
  "unicode in JSON in JSON": perCharacter((one) => `\\\\\\\\u${formatHex(one, 4)}`),
  "bytes of a string": perCharacter((one) => `\\x${formatHex(one, 2)}`),
  "decimal entities": perCharacter((one) => `&#${one.charCodeAt(0)};`),
  "padded entities": perCharacter((one) => `&#00${one.charCodeAt(0)};`),
  "hex entities": perCharacter((one) => `&#x${formatHex(one, 2)};`),
  "upper hex entities": perCharacter((one) => `&#X${formatHex(one, 4).toUpperCase()};`),
  "entities escaped again": perCharacter((one) => `&amp;#${one.charCodeAt(0)};`),
  "named entities": (key) => key.replaceAll("&", "&amp;").replaceAll("+", "&plus;").replaceAll("/", "&sol;"),
  "an address": encodeURIComponent,
  "full percent-encoding": perCharacter((one) => `%${formatHex(one, 2)}`),
  "upper percent-encoding": perCharacter((one) => `%${formatHex(one, 2).toUpperCase()}`),
  "percent-encoding twice": perCharacter((one) => `%25${formatHex(one, 2)}`),
  "some of each": (key) =>
    Array.from(key)
      .map((one, n) => [one, `\\u${formatHex(one, 4)}`, `&#${one.charCodeAt(0)};`, `%${formatHex(one, 2)}`][n % 4])
      .join(""),
  "UTF-16, little end first": (key) => Buffer.from(key, "utf16le"),
  "UTF-16, big end first": (key) => Buffer.from(key, "utf16le").swap16(),
};

/**
 * Returns whether a part of the key remains in the output that another key in the same form does
 * not contain.
 */
function isReadable(out: Buffer, encode: (key: string) => Buffer | string, key: string): boolean {
  const form = Buffer.from(encode(key));
  const other = Buffer.from(encode("?".repeat(key.length)));
  const parts = Array.from({ length: form.length - 8 }, (_, at) => form.subarray(at, at + 8));
  return parts.some((part) => out.includes(part) && !other.includes(part));
}

describe("the secret is recognised", () => {
  // Keys as providers issue them, with characters that encodings treat differently.
  const key = fc
    .array(fc.constantFrom(...Array.from("ABCXYZabcxyz0189-_+/=.&~")), { minLength: 16, maxLength: 60 })
    .map((characters) => `sk-${characters.join("")}`);

  test.each(Object.entries(forms))("as %s, however the chunks are split", async (_name, encode) => {
    await fc.assert(
      fc.asyncProperty(key, fc.array(fc.nat(200), { maxLength: 4 }), async (secretKey, cuts) => {
        const form = Buffer.from(encode(secretKey));
        const given = Buffer.concat([Buffer.from("before <"), form, Buffer.from("> after")]);
        const places = [0, ...cuts.map((cut) => cut % given.length).toSorted((a, b) => a - b), given.length];
        const chunks = places.slice(1).map((place, n) => given.subarray(places[n], place));
        const filter = createFilter(createMatcher(secretKey));
        const parts: Buffer[] = [];
        filter.on("data", (part: Buffer) => parts.push(part));
        const ended = new Promise((resolve) => filter.once("end", resolve));
        for (const chunk of chunks) filter.write(chunk);
        filter.end();
        await ended;
        const out = Buffer.concat(parts);
        expect(out).toHaveLength(given.length);
        expect(String(out)).toMatch(/^before <.*> after$/s);
        expect(String(out)).toContain("*".repeat(secretKey.length));
        expect(isReadable(out, encode, secretKey)).toBe(false);
      }),
      { numRuns: Number(process.env["FUZZ_CASES"] ?? 8) },
    );
  });

  test.each(Object.entries(forms).filter(([name]) => !name.startsWith("UTF-16")))(
    "as %s, in a short text",
    (_name, encode) => {
      const secretKey = "sk-ant-api03-aB+c/d=e_9&~0123456789";
      const out = createMatcher(secretKey).redactText(`ünï ${String(encode(secretKey))} ünï`);
      expect(out).toMatch(/^ünï .*\*{30}.* ünï$/);
      expect(isReadable(Buffer.from(out), encode, secretKey)).toBe(false);
    },
  );

  test("and at most its longest form is held back", async () => {
    const secretKey = `sk-${Array.from({ length: 700 }, (_, n) => n.toString(36)).join("_")}`;
    const filter = createFilter(createMatcher(secretKey));
    const escaped = Buffer.from(perCharacter((one) => `\\u${formatHex(one, 4)}`)(secretKey));
    const open = escaped.subarray(0, -1);
    filter.write(open);
    expect(filter.read()).toBeNull();
    filter.write("!");
    expect((filter.read() as Buffer).length).toBe(open.length + 1);
    for (let n = 0; n < 50; n++) filter.write(`${"0".repeat(1_000)}\\\\\\\\`);
    const rest = filter.read() as Buffer;
    expect(50 * 1_004 - rest.length).toBeLessThan(10);
    filter.destroy();
  });
});

test("a placeholder key hides its own text and nothing that looks like its encoding", async () => {
  const given = "none: bm9uZQ== None bm9u 6e6f6e65";
  expect(await filterChunks([Buffer.from(given)], createMatcher("none"))).toBe("****: bm9uZQ== None bm9u 6e6f6e65");
  expect(await filterChunks([Buffer.from(given)], createMatcher(""))).toBe(given);
});
