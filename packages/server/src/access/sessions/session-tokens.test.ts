import { createHmac, randomUUID } from "node:crypto";
import { SignJWT, UnsecuredJWT } from "jose";
import { expect, test } from "vitest";
import { SessionTokens } from "./session-tokens.ts";

const secret = "s".repeat(32);
const claim = { user_id: randomUUID(), session_id: randomUUID() };
const start = Date.UTC(2026, 0, 1);
const minuteMs = 60_000;
const weekMs = 7 * 86_400_000;
const createTokens = (options: { now?: () => number; secret?: string; issuer?: string } = {}) =>
  new SessionTokens({ secret, issuer: "here", now: () => start, ...options });

test("a token proves its claim to every server with the same secret", async () => {
  const { token, expires_in } = await createTokens().issue(claim);
  expect(expires_in).toBe(900);
  expect(await createTokens().check(token)).toEqual(claim);
});

test("a token expires after a quarter of an hour", async () => {
  const { token } = await createTokens().issue(claim);
  expect(await createTokens({ now: () => start + 14 * minuteMs }).check(token)).toEqual(claim);
  expect(await createTokens({ now: () => start + 16 * minuteMs }).check(token)).toBeUndefined();
});

test("each week has its own key, and the key before it is still accepted", async () => {
  const weekStart = Math.ceil(start / weekMs) * weekMs;
  const { token } = await createTokens({ now: () => weekStart - minuteMs }).issue(claim);
  const { token: next } = await createTokens({ now: () => weekStart }).issue(claim);
  const getKeyId = (text: string) =>
    (JSON.parse(Buffer.from(text.split(".")[0] ?? "", "base64url").toString()) as { kid: string }).kid;
  expect(Number(getKeyId(next))).toBe(Number(getKeyId(token)) + 1);
  expect(await createTokens({ now: () => weekStart + minuteMs }).check(token)).toEqual(claim);
  expect(await createTokens({ now: () => weekStart - minuteMs }).check(next)).toEqual(claim);
});

test("a token of another secret, installation, audience or kind is refused", async () => {
  const { token } = await createTokens().issue(claim);
  expect(await createTokens({ secret: "t".repeat(32) }).check(token)).toBeUndefined();
  expect(await createTokens({ issuer: "elsewhere" }).check(token)).toBeUndefined();
  const keyId = Math.floor(start / weekMs);
  const key = createHmac("sha256", secret).update(`session tokens ${keyId}`).digest();
  const sign = (typ: string, audience: string) =>
    new SignJWT({ sid: claim.session_id })
      .setProtectedHeader({ alg: "HS256", typ, kid: String(keyId) })
      .setSubject(claim.user_id)
      .setIssuer("here")
      .setAudience(audience)
      .setExpirationTime(start / 1000 + 60)
      .sign(key);
  expect(await createTokens().check(await sign("at+jwt", "wharf"))).toEqual(claim);
  expect(await createTokens().check(await sign("at+jwt", "other"))).toBeUndefined();
  expect(await createTokens().check(await sign("jwt", "wharf"))).toBeUndefined();
});

test("a changed, unsigned or nonsensical token is refused", async () => {
  const { token } = await createTokens().issue(claim);
  const [head = "", body = "", signature = ""] = token.split(".");
  const payload = JSON.parse(Buffer.from(body, "base64url").toString()) as object;
  const forged = Buffer.from(JSON.stringify({ ...payload, sub: randomUUID() })).toString("base64url");
  const unsigned = new UnsecuredJWT({ sid: claim.session_id })
    .setSubject(claim.user_id)
    .setIssuer("here")
    .setAudience("wharf")
    .setExpirationTime(start / 1000 + 60)
    .encode();
  for (const text of [`${head}.${forged}.${signature}`, `${head}.${body}.`, unsigned, "", "a.b.c", "wharf_pat_x"])
    expect([text, await createTokens().check(text)]).toEqual([text, undefined]);
});
