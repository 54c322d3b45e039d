import { expect, test } from "vitest";
import { Slots } from "./slots.ts";

/** Returns whether a promise has settled by the time all ready callbacks have run. */
async function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  const ready = new Promise((resolve) => setImmediate(resolve, "pending"));
  return (await Promise.race([promise.catch(() => undefined), ready])) !== "pending";
}

test("each key has a fixed number of slots, and waiting callers get one in order", async () => {
  const slots = new Slots(2);
  const order: number[] = [];
  const entered = await Promise.all([slots.acquire("a"), slots.acquire("a")]);
  const waiting = [1, 2].map(async (n) => {
    const slot = await slots.acquire("a");
    order.push(n);
    return slot;
  });
  expect(await hasSettled(slots.acquire("b"))).toBe(true);
  expect(await hasSettled(Promise.race(waiting))).toBe(false);
  entered[0]?.[Symbol.dispose]();
  entered[0]?.[Symbol.dispose]();
  await waiting[0];
  expect(await hasSettled(waiting[1]!)).toBe(false);
  entered[1]?.[Symbol.dispose]();
  await waiting[1];
  expect(order).toEqual([1, 2]);
});

test("a waiting caller stops when its signal aborts or its limit expires, and takes no slot", async () => {
  const slots = new Slots(1);
  const holder = await slots.acquire("a");
  const leaving = new AbortController();
  const aborted = slots.acquire("a", { signal: leaving.signal });
  const limited = slots.acquire("a", { limit: { timeoutMs: 5, createError: () => new Error("too long") } });
  leaving.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  await expect(limited).rejects.toThrow("too long");
  await expect(slots.acquire("b", { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
  holder[Symbol.dispose]();
  expect(await hasSettled(slots.acquire("a"))).toBe(true);
});
