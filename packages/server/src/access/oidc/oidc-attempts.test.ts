import { afterEach, expect, test, vi } from "vitest";
import { OidcAttempts } from "./oidc-attempts.ts";

afterEach(() => void vi.useRealTimers());

const lost = expect.objectContaining({ code: "oidc_attempt_lost" });

test("each server of the installation derives the same attempt from a cookie, and no other one does", () => {
  const { cookie, attempt } = new OidcAttempts("a secret").create();
  expect(new OidcAttempts("a secret").read(cookie)).toEqual(attempt);
  expect(new OidcAttempts("another secret").read(cookie)).not.toEqual(attempt);
  expect(new Set(Object.values(attempt)).size).toBe(3);
  for (const value of Object.values(attempt)) {
    expect(value).toMatch(/^[\w-]{43}$/);
    expect(cookie).not.toContain(value);
  }
});

test("an attempt ends after ten minutes, and another time leads to another state", () => {
  vi.useFakeTimers();
  const attempts = new OidcAttempts("a secret");
  const { cookie, attempt } = attempts.create();
  vi.advanceTimersByTime(599_000);
  expect(attempts.read(cookie)).toEqual(attempt);
  vi.advanceTimersByTime(2_000);
  expect(() => attempts.read(cookie)).toThrow(lost);
  const renewed = cookie.replace(/^\d+/, String(Date.now()));
  expect(attempts.read(renewed).state).not.toBe(attempt.state);
});

test.each([undefined, "", "x", "1.x", `${Date.now()}.short`])("a cookie such as %s is no attempt", (cookie) => {
  expect(() => new OidcAttempts("a secret").read(cookie)).toThrow(lost);
});
