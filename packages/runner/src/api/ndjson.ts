/**
 * Values as lines of JSON. An empty line comes at once, so that the answer begins before there is a value, and again
 * whenever nothing was said for `quietMs`.
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
      // Failing is told when its turn comes.
      next.catch(() => undefined);
      yield `${JSON.stringify(result.value)}\n`;
    }
  } finally {
    await iterator.return?.();
  }
}

/** Nothing when it is not there in time. */
function waitAtMost<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}
