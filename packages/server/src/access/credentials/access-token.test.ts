import { expect, test } from "vitest";
import { generateAccessToken, hashAccessToken, isAccessToken } from "./access-token.ts";

test("a token has a prefix by which scanners recognise it, and is never the same twice", () => {
  const tokens = Array.from({ length: 100 }, generateAccessToken);
  expect(new Set(tokens).size).toBe(100);
  for (const token of tokens) {
    expect(token).toMatch(/^wharf_pat_[0-9A-Za-z]{42}$/);
    expect(isAccessToken(token)).toBe(true);
  }
});

test("the checksum finds a changed character anywhere in a token", () => {
  const token = generateAccessToken();
  for (let i = 0; i < token.length; i++) {
    const changed = `${token.slice(0, i)}${token[i] === "x" ? "y" : "x"}${token.slice(i + 1)}`;
    expect(isAccessToken(changed)).toBe(false);
  }
  for (const text of ["", "wharf_pat_", `${token}0`, ` ${token}`, token.slice(0, -1)])
    expect(isAccessToken(text)).toBe(false);
});

test("the hash of a token does not contain it", () => {
  const token = generateAccessToken();
  expect(hashAccessToken(token)).toMatch(/^[0-9a-f]{64}$/);
});
