import { describe, expect, it } from "vitest";
import { Wakeup } from "./wakeup.ts";

const never = new AbortController().signal;
const long = 60_000; // ms

async function took(work: Promise<void>): Promise<number> {
  const began = performance.now();
  await work;
  return performance.now() - began;
}

describe("who waits for something to do", () => {
  it("is woken by its name, and by no other", async () => {
    const wakeup = new Wakeup();
    const woken: string[] = [];
    const sleeping = ["a", "b"].map((name) => wakeup.sleep(name, long, never).then(() => woken.push(name)));
    wakeup.poke("b");
    await sleeping[1];
    expect(woken).toEqual(["b"]);
    wakeup.poke();
    await Promise.all(sleeping);
  });

  it("does not sleep over what came up while it was at work, and sleeps again after that", async () => {
    const wakeup = new Wakeup();
    wakeup.poke("a");
    wakeup.poke("a");
    expect(await took(wakeup.sleep("a", long, never))).toBeLessThan(1_000);
    expect(await took(wakeup.sleep("a", 30, never))).toBeGreaterThan(20);
  });

  it("ends with its signal", async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 5);
    expect(await took(new Wakeup().sleep("a", long, stop.signal))).toBeLessThan(1_000);
  });
});
