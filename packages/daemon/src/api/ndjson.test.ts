import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { streamNdjson } from "./ndjson.ts";

test("a response begins at once, sends values as lines, and sends empty lines while idle", async () => {
  async function* values() {
    await sleep(100);
    yield { a: 1 };
    yield { a: "zwei\n" };
    await sleep(100);
  }
  const lines = await Array.fromAsync(streamNdjson(values(), 30));
  expect(lines[0]).toBe("\n");
  expect(lines.filter((line) => line !== "\n")).toEqual(['{"a":1}\n', '{"a":"zwei\\n"}\n']);
  const signs = lines.filter((line) => line === "\n").length;
  expect(signs).toBeGreaterThanOrEqual(4);
  expect(signs).toBeLessThanOrEqual(8);
});

test("a failure follows the values sent before it, and a client that leaves ends the source", async () => {
  let ended = false;
  async function* values() {
    try {
      yield 1;
      throw new Error("broken");
    } finally {
      ended = true;
    }
  }
  const seen: string[] = [];
  await expect(
    (async () => {
      for await (const line of streamNdjson(values(), 1_000)) seen.push(line);
    })(),
  ).rejects.toThrow("broken");
  expect(seen).toEqual(["\n", "1\n"]);
  ended = false;
  for await (const line of streamNdjson(values(), 1_000)) if (line !== "\n") break;
  expect(ended).toBe(true);
});
