import { waitAtMost } from "../std/wait-at-most.ts";

/**
 * Streams values as lines of JSON. An empty line goes out immediately, so that the response begins
 * before the first value, and again after every `quietMs` without a value.
 */
export async function* streamNdjson(values: AsyncIterable<unknown>, quietMs: number): AsyncIterable<string> {
  const iterator = values[Symbol.asyncIterator]();
  try {
    yield "\n";
    for (let next = iterator.next(); ;) {
      const result = await waitAtMost(next, quietMs);
      if (!result) {
        yield "\n";
        continue;
      }
      if (result.done) return;
      next = iterator.next();
      // The loop handles the failure when it awaits this value.
      next.catch(() => undefined);
      yield `${JSON.stringify(result.value)}\n`;
    }
  } finally {
    await iterator.return?.();
  }
}
