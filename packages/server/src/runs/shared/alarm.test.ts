import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { Alarm } from "./alarm.ts";

test("a ring without a waiter is kept once for the next wait", async () => {
  const alarm = new Alarm();
  const { signal } = new AbortController();
  alarm.ring();
  alarm.ring();
  await alarm.wait(signal);
  const waits = alarm.wait(signal, 1).then(() => "over");
  expect(await waits).toBe("over");
});

test("a wait ends with a ring and with its signal, and leaves no listener on it", async () => {
  const alarm = new Alarm();
  const over = new AbortController();
  const first = alarm.wait(over.signal);
  alarm.ring();
  await first;
  expect(getEventListeners(over.signal, "abort")).toEqual([]);
  const second = alarm.wait(over.signal);
  over.abort();
  await second;
  await alarm.wait(over.signal);
});
