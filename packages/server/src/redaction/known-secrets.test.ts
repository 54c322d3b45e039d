import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { ChunkRedactor } from "./chunk-redactor.ts";
import { KnownSecrets } from "./known-secrets.ts";
import { SecretMatcher } from "./secret-matcher.ts";

const createValue = () => `sk-ant-${randomBytes(24).toString("base64url")}`;

function createSecrets(values: Readonly<Record<string, string>>): KnownSecrets {
  const secrets = new KnownSecrets();
  for (const [name, value] of Object.entries(values)) secrets.register(name, value);
  return secrets;
}

test("each of many secrets is found, in several forms, and reported by its name", () => {
  const values = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`KEY_${index}`, createValue()]));
  const secrets = createSecrets(values);
  for (const [name, value] of Object.entries(values)) {
    const found: string[] = [];
    const base64 = Buffer.from(`user:${value}`).toString("base64");
    const out = secrets.redactText(`a ${value} b ${base64} c`, (match) => found.push(match.name));
    expect(out).toContain(`a ${"*".repeat(value.length)} b `);
    expect(out).not.toContain(base64.slice(12, -4));
    expect(found).toEqual([name, name]);
  }
});

test("the longest of several secrets that begin alike is removed", () => {
  const secrets = createSecrets({ SHORT: "correct-horse", LONG: "correct-horse-battery" });
  const found: string[] = [];
  expect(secrets.redactText("correct-horse-battery!", ({ name }) => found.push(name))).toBe(`${"*".repeat(21)}!`);
  expect(secrets.redactText("correct-horse-bat!", ({ name }) => found.push(name))).toBe(`${"*".repeat(13)}-bat!`);
  expect(found).toEqual(["LONG", "SHORT"]);
});

test("a replaced value remains a secret, and values that any text contains are refused", () => {
  const [first, second] = [createValue(), createValue()];
  const secrets = createSecrets({ KEY: first });
  expect(secrets.register("KEY", second)).toBeUndefined();
  expect(secrets.register("KEY", "none")).toBe("too short");
  expect(secrets.register("KEY", "abababababab")).toBe("too simple");
  const stars = "*".repeat(first.length);
  expect(secrets.redactText(`${first} ${second} none abababababab`)).toBe(`${stars} ${stars} none abababababab`);
});

test("texts and keys of a JSON value are redacted, and a value without a secret is returned itself", () => {
  const value = 'sk-"quoted"\\slash-9f2';
  const secrets = createSecrets({ KEY: value });
  const stars = "*".repeat(Buffer.byteLength(value));
  const clean = { a: ["b", { c: 1 }] };
  expect(secrets.redactJson(clean)).toBe(clean);
  const given = { n: 1, text: `x ${value}`, deep: [{ [value]: { list: [value, true, null] } }] };
  expect(secrets.redactJson(given)).toEqual({
    n: 1,
    text: `x ${stars}`,
    deep: [{ [stars]: { list: [stars, true, null] } }],
  });
});

test("a value of any depth is redacted without exhausting the stack", () => {
  const value = createValue();
  let nested: unknown = value;
  for (let depth = 0; depth < 200; depth++) nested = [nested];
  expect(JSON.stringify(createSecrets({ KEY: value }).redactJson(nested))).not.toContain(value);
});

test("a live stream shows each key at once, and at most three letters of a secret", () => {
  const value = createValue();
  const secrets = createSecrets({ KEY: value });
  const redactor = new ChunkRedactor({ getMatcher: () => secrets.matcher, isLive: true });
  for (const key of "ls -la sk") expect(redactor.redact(Buffer.from(key)).toString()).toBe(key);
  const typed = Array.from(`-x ${value} y`, (key) => redactor.redact(Buffer.from(key)).toString()).join("");
  expect(typed).toBe(`-x ${value.slice(0, 3)}${"*".repeat(value.length - 3)} y`);
  expect(redactor.end()).toHaveLength(0);
});

test("a secret that is added while a stream is open is removed from its next chunks", () => {
  const value = createValue();
  const secrets = createSecrets({});
  const redactor = new ChunkRedactor({ getMatcher: () => secrets.matcher });
  expect(redactor.redact(Buffer.from(`${value} `)).toString()).toBe(`${value} `);
  secrets.register("KEY", value);
  expect(redactor.redact(Buffer.from(`${value} `)).toString()).toBe(`${"*".repeat(value.length)} `);
});

test("the automaton forgets what it no longer has room for, and still finds everything", () => {
  const values = Array.from({ length: 60 }, createValue);
  const matcher = new SecretMatcher(values.map((value, index) => ({ name: `KEY_${index}`, value })));
  const spell = (character: string, index: number, by: number) =>
    (index + by) % 3 === 0 ? `\\\\u00${Buffer.from(character).toString("hex")}` : character;
  for (let by = 0; by < 9; by++)
    for (const value of values) {
      const spelled = Array.from(value, (character, index) => spell(character, index * (by + 1), by)).join("");
      expect(matcher.redactText(`<${spelled}>`)).toBe(`<${"*".repeat(spelled.length)}>`);
    }
});
