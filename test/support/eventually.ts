import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";

/**
 * Polls until the value is as expected; works in concurrent tests too, where `expect.poll` does
 * not.
 */
export async function eventually<T>(look: () => T | Promise<T>, expected: T, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (isDeepStrictEqual(seen, expected)) return;
    if (Date.now() > deadline) return expect(seen).toEqual(expected);
    await sleep(100);
  }
}
