import { argon2Sync, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { hashPassword, hasOldCost, matchesPassword } from "./password-hash.ts";
import { Passwords } from "./passwords.ts";

test("a password matches its own hash only, and two hashes of it differ", async () => {
  const [first, second] = await Promise.all([hashPassword("correct horse"), hashPassword("correct horse")]);
  expect(first).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
  expect(second).not.toBe(first);
  expect(await matchesPassword("correct horse", first)).toBe(true);
  expect(await matchesPassword("correct horse ", first)).toBe(false);
  expect(await matchesPassword("", first)).toBe(false);
});

test("a letter is the same letter however a keyboard composes it", async () => {
  expect(await matchesPassword("caf\u0065\u0301 au lait", await hashPassword("caf\u00e9 au lait"))).toBe(true);
});

test("a hash with another cost is read, and counts as old", async () => {
  const [nonce, message] = [randomBytes(16), Buffer.from("correct horse")];
  const tag = argon2Sync("argon2id", { message, nonce, memory: 8_192, passes: 3, parallelism: 1, tagLength: 32 });
  const [salt, text] = [nonce, tag].map((bytes) => bytes.toString("base64").replace(/=+$/, ""));
  const hash = `$argon2id$v=19$m=8192,t=3,p=1$${salt}$${text}`;
  expect(await matchesPassword("correct horse", hash)).toBe(true);
  expect([hasOldCost(hash), hasOldCost(await hashPassword("correct horse"))]).toEqual([true, false]);
});

test.each(["", "plain", "$argon2id$v=19$m=19456,t=2,p=1$$", "$2b$10$abcdefghijklmnopqrstuv"])(
  "a text that is no hash (%s) matches no password",
  async (hash) => {
    expect(await matchesPassword("", hash)).toBe(false);
    expect(await matchesPassword(hash, hash)).toBe(false);
  },
);

test("an account without a password matches none", async () => {
  const passwords = new Passwords();
  for (const hash of [undefined, null]) expect(await passwords.matches("", hash)).toBe(false);
});

test("further passwords wait for their turn, and beyond the limit they are refused", async () => {
  const passwords = new Passwords({ maxConcurrent: 1, maxWaiting: 3 });
  const results = await Promise.allSettled(Array.from({ length: 6 }, () => passwords.hash("correct horse")));
  const refused = results.filter(({ status }) => status === "rejected");
  expect(refused).toHaveLength(2);
  expect(refused).toMatchObject([{ reason: { code: "rate_limited" } }, { reason: { code: "rate_limited" } }]);
  expect(await passwords.matches("correct horse", await passwords.hash("correct horse"))).toBe(true);
});
