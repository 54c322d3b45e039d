import { setImmediate } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { testDatabase } from "../../../test/database.ts";
import { Notifications } from "./notifications.ts";
import { Wakeup } from "./wakeup.ts";

const never = new AbortController().signal;
const long = 60_000; // ms

async function took(work: Promise<void>): Promise<number> {
  const began = performance.now();
  await work;
  return performance.now() - began;
}

describe("a loop that waits for work", () => {
  test("is woken by its name and by no other", async () => {
    const wakeup = new Wakeup();
    const woken: string[] = [];
    const sleeping = ["a", "b"].map((name) => wakeup.sleep(name, long, never).then(() => woken.push(name)));
    wakeup.poke("b");
    await sleeping[1];
    expect(woken).toEqual(["b"]);
    wakeup.poke();
    await Promise.all(sleeping);
  });

  test("does not miss a poke while it works, and sleeps again afterwards", async () => {
    const wakeup = new Wakeup();
    wakeup.poke("a");
    wakeup.poke("a");
    expect(await took(wakeup.sleep("a", long, never))).toBeLessThan(1_000);
    expect(await took(wakeup.sleep("a", 30, never))).toBeGreaterThan(20);
  });

  test("ends with its signal", async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 5);
    expect(await took(new Wakeup().sleep("a", long, stop.signal))).toBeLessThan(1_000);
  });
});

describe("all loops together", () => {
  test("are woken, and a working one runs once more", async () => {
    const wakeup = new Wakeup();
    const sleeping = wakeup.sleep("a", long, never);
    wakeup.poke();
    await sleeping;
    // The loop works now: a poke meanwhile ends its next sleep at once.
    wakeup.poke();
    await wakeup.sleep("a", long, never);
    const stop = new AbortController();
    let over = false;
    const again = wakeup.sleep("a", long, stop.signal).then(() => (over = true));
    await setImmediate();
    expect(over).toBe(false);
    stop.abort();
    await again;
  });

  test("keep the latest pokes, however many names there are", async () => {
    const wakeup = new Wakeup();
    for (let n = 0; n < 20_000; n++) wakeup.poke(`run ${n}`);
    wakeup.poke("queue");
    for (let n = 0; n < 5_000; n++) wakeup.poke(`another run ${n}`);
    await wakeup.sleep("queue", long, never);
  });
});

describe("a loop that waits in another process", () => {
  async function processes() {
    const database = await testDatabase();
    onTestFinished(() => database[Symbol.asyncDispose]());
    return Promise.all(
      ["a", "b"].map(async () => {
        const listening = Promise.withResolvers<void>();
        const notifications = new Notifications({ connection: database.connection, onError: () => undefined });
        onTestFinished(() => notifications[Symbol.asyncDispose]());
        notifications.subscribe({ onMissed: listening.resolve });
        await listening.promise;
        return new Wakeup(notifications);
      }),
    );
  }

  test("is woken by name and with all others, whether it sleeps or works", async () => {
    const [a, b] = await processes();
    const asleep = b!.sleep("queue", long, never);
    a!.poke("queue");
    await asleep;
    a!.poke("working");
    a!.poke("reconciler");
    await b!.sleep("reconciler", long, never);
    await b!.sleep("working", long, never);
    const all = [b!.sleep("x", long, never), b!.sleep("y", long, never)];
    a!.poke();
    await Promise.all(all);
  });

  test("is not woken by names of one process only", async () => {
    const [a, b] = await processes();
    const stop = new AbortController();
    let woken = false;
    const sleeping = b!.sleep("drain:run", long, stop.signal).then(() => (woken = true));
    a!.poke("drain:run");
    a!.poke("end");
    await b!.sleep("end", long, never);
    expect(woken).toBe(false);
    stop.abort();
    await sleeping;
  });
});
