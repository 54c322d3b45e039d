import { describe, expect, test } from "vitest";
import { BatchWriter } from "./batch-writer.ts";

/** Starts a writer whose batches end when the test says so. */
function createWriter({ maxItems = 100, maxBatches = 1 } = {}) {
  const batches: { items: readonly number[]; end: (error?: Error) => void }[] = [];
  const writer = new BatchWriter<number, string>({
    maxItems,
    maxBatches,
    write: (items) =>
      new Promise((resolve, reject) =>
        batches.push({ items, end: (error) => (error ? reject(error) : resolve(items.map((item) => `#${item}`))) }),
      ),
  });
  return { writer, batches, items: () => batches.map((batch) => batch.items) };
}

describe("a batch writer", () => {
  test("writes a lone item at once, and what comes meanwhile in one batch", async () => {
    const { writer, batches, items } = createWriter();
    const results = [1, 2, 3].map((item) => writer.add(item));
    expect(items()).toEqual([[1]]);
    batches[0]!.end();
    expect(await results[0]).toBe("#1");
    expect(items()).toEqual([[1], [2, 3]]);
    batches[1]!.end();
    expect(await Promise.all(results)).toEqual(["#1", "#2", "#3"]);
  });

  test("limits the size of a batch and the number of open ones", async () => {
    const { writer, batches, items } = createWriter({ maxItems: 2, maxBatches: 2 });
    const results = [1, 2, 3, 4, 5].map((item) => writer.add(item));
    expect(items()).toEqual([[1], [2]]);
    batches[1]!.end();
    expect(await results[1]).toBe("#2");
    expect(items()).toEqual([[1], [2], [3, 4]]);
    batches[0]!.end();
    expect(await results[0]).toBe("#1");
    expect(items()).toEqual([[1], [2], [3, 4], [5]]);
  });

  test("fails the items of a failed batch only", async () => {
    const { writer, batches } = createWriter();
    const results = [1, 2, 3].map((item) => writer.add(item));
    batches[0]!.end();
    await results[0];
    batches[1]!.end(new Error("broken"));
    await expect(results[1]).rejects.toThrow("broken");
    await expect(results[2]).rejects.toThrow("broken");
    const later = writer.add(4);
    batches[2]!.end();
    expect(await later).toBe("#4");
  });
});
