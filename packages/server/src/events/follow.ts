import type { Event } from "@wharf/contract";
import type { Log } from "./log.ts";

/** Events read from the log at once while a reader catches up. */
const pageSize = 500;
/** A reader that has this many live events waiting goes back to reading pages, so that a slow one costs no memory. */
const maxWaiting = 2_000;
/** A reader looks at the log by itself this often, in case another process appended. */
const idleCheck = 2_000; // ms

/**
 * A task's log from a cursor, then live, until the signal ends it: every event once, in order. Events come from the bus as
 * long as they join on to the cursor, else from the log.
 */
export async function* follow(
  log: Log,
  taskId: string,
  options: { after: number; signal: AbortSignal },
): AsyncGenerator<readonly Event[]> {
  const { signal } = options;
  let cursor = options.after;
  let waiting: Event[] = [];
  let behind = true;
  let wake: (() => void) | undefined;
  const unsubscribe = log.subscribe(taskId, (events) => {
    if (waiting.length + events.length > maxWaiting) {
      waiting = [];
      behind = true;
    } else waiting.push(...events);
    wake?.();
  });
  const onAbort = () => wake?.();
  signal.addEventListener("abort", onAbort);
  try {
    while (!signal.aborted) {
      if (behind) {
        const page = await log.read(taskId, cursor, pageSize);
        behind = page.length > 0;
        cursor = page.at(-1)?.seq ?? cursor;
        if (page.length > 0) yield page;
        continue;
      }
      const fresh = waiting.filter((event) => event.seq > cursor).sort((a, b) => a.seq - b.seq);
      waiting = [];
      const joined = fresh.filter((event, i) => event.seq === cursor + 1 + i);
      cursor = joined.at(-1)?.seq ?? cursor;
      behind = joined.length < fresh.length;
      if (joined.length > 0) yield joined;
      if (behind || waiting.length > 0) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(() => ((behind = true), resolve()), idleCheck);
      wake = resolve;
      if (signal.aborted) resolve();
      await promise;
      wake = undefined;
      clearTimeout(timer);
    }
  } finally {
    unsubscribe();
    signal.removeEventListener("abort", onAbort);
  }
}
