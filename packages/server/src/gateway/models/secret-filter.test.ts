import { text } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SecretFilter, withoutSecret } from "./secret-filter.ts";

const secret = "AIza-aaAIza-b";
const stars = "*".repeat(secret.length);

function through(chunks: readonly Buffer[]): Promise<string> {
  const filter = new SecretFilter(secret);
  for (const chunk of chunks) filter.write(chunk);
  filter.end();
  return text(filter);
}

test("a secret is taken out wherever the chunks are cut", async () => {
  const given = Buffer.from(`before ${secret}${secret} between AIza-aa${secret} after`);
  for (let a = 0; a <= given.length; a++) {
    const cut = await through([given.subarray(0, a), given.subarray(a, a + 3), given.subarray(a + 3)]);
    expect(cut).toBe(`before ${stars}${stars} between AIza-aa${stars} after`);
  }
});

test("other bytes come out as they went in, however they look and are cut", async () => {
  const piece = fc.oneof(fc.constantFrom("AIza-", "AIza-aa", "a", "*", secret.slice(0, -1)), fc.string());
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 20 }), async (pieces) => {
      const whole = pieces.join("");
      const out = await through(pieces.map((each) => Buffer.from(each)));
      expect(out).toBe(whole.replaceAll(secret, stars));
    }),
    { numRuns: Number(process.env["FUZZ_CASES"] ?? 200) },
  );
});

test("nothing is held back but what may begin the secret", () => {
  const filter = new SecretFilter(secret);
  filter.write("data: hello\n\n");
  expect(String(filter.read())).toBe("data: hello\n\n");
  filter.write("data: AIza-a");
  expect(String(filter.read())).toBe("data: ");
  filter.write("xyz");
  expect(String(filter.read())).toBe("AIza-axyz");
});

test("it is found in JSON, in an address and in base64, too", async () => {
  const odd = 'se"cr/et+key';
  const filter = new SecretFilter(odd);
  filter.end(`${JSON.stringify({ odd })} ${encodeURIComponent(odd)} ${Buffer.from(odd).toString("base64")}`);
  const out = await text(filter);
  expect(out).not.toMatch(/cr|key|c2Ui/);
  expect(withoutSecret(`a ${odd} b`, odd)).toBe(`a ${"*".repeat(odd.length)} b`);
});
