import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureStoredSecret, ensureStoredValue } from "./stored-value.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharf-kept-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const path = (name: string) => join(folder, name);
const damages: Record<string, (file: string) => void> = {
  empty: (file) => writeFileSync(file, ""),
  "a line feed": (file) => writeFileSync(file, "\n"),
  short: (file) => writeFileSync(file, "abc\n"),
  garbled: (file) => writeFileSync(file, Buffer.from([0, 1, 2, 255, 254, ...Array.from({ length: 60 }, (_, i) => i)])),
  "two lines": (file) => writeFileSync(file, `${"x".repeat(40)}\n${"y".repeat(40)}\n`),
  huge: (file) => writeFileSync(file, "x".repeat(1_000_000)),
  "a folder": (file) => {
    rmSync(file);
    mkdirSync(file);
  },
};

test("a value is created once, keeps its content, and is readable by its owner only", async () => {
  const values = await Promise.all(Array.from({ length: 5 }, () => ensureStoredValue(folder, "token")));
  expect(new Set(values.map(({ value }) => value)).size).toBe(1);
  chmodSync(path("token"), 0o644);
  expect(await ensureStoredValue(folder, "token")).toEqual({ value: values[0]?.value });
  expect(statSync(path("token")).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["token"]);
});

test.each(Object.keys(damages))("a token that is %s is replaced, and the damaged file is kept", async (name) => {
  const { value } = await ensureStoredValue(folder, "token");
  damages[name]?.(path("token"));
  const next = await ensureStoredValue(folder, "token");
  expect(next).toEqual({ value: expect.stringMatching(/^[\w-]{43}$/), repair: expect.stringContaining("was damaged") });
  expect(next.value).not.toBe(value);
  expect(readdirSync(folder)).toEqual(["token", "token.damaged"]);
  expect(await ensureStoredValue(folder, "token")).toEqual({ value: next.value });
});

test.each(Object.keys(damages))("a secret that is %s is restored from its copy", async (name) => {
  const { value } = await ensureStoredSecret(folder, "secret");
  damages[name]?.(path("secret"));
  expect(await ensureStoredSecret(folder, "secret")).toEqual({ value, repair: expect.stringContaining("restored") });
  expect(await ensureStoredSecret(folder, "secret")).toEqual({ value });
  damages[name]?.(path("secret.copy"));
  expect(await ensureStoredSecret(folder, "secret")).toEqual({ value });
  expect(readFileSync(path("secret.copy"), "utf8").trim()).toBe(value);
});

test.each(Object.keys(damages))("a secret that is %s, as is its copy, is never replaced", async (name) => {
  await ensureStoredSecret(folder, "secret");
  for (const file of ["secret", "secret.copy"]) damages[name]?.(path(file));
  for (let start = 1; start <= 2; start++)
    await expect(ensureStoredSecret(folder, "secret")).rejects.toMatchObject({
      code: "secret_damaged",
      message: expect.stringContaining(path("secret")),
    });
});

test("a secret of an older version gets a copy, from which a removed one is restored", async () => {
  const secret = "s".repeat(43);
  writeFileSync(path("secret"), `${secret}\n`);
  expect(await ensureStoredSecret(folder, "secret")).toEqual({ value: secret });
  rmSync(path("secret"));
  expect(await ensureStoredSecret(folder, "secret")).toMatchObject({ value: secret });
});
