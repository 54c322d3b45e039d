import type { Alarm } from "./alarm.ts";
import type { RunDeps } from "./deps.ts";
import { readLeased, type RunLease, updateLeased } from "./lease.ts";

/** A remote that answers within this costs a start nothing. */
const patienceMs = 300;

export interface SlotWork<T> {
  readonly work: () => Promise<T>;
  readonly hasSlot: () => boolean;
  /** Reads the run again. */
  readonly look: () => Promise<unknown>;
  /** Rung when the run may have its slot. */
  readonly alarm: Alarm;
  readonly signal: AbortSignal;
}

/**
 * Does work that waits for a remote host. A run that waits longer than a moment gives up its slot meanwhile and queues for
 * it afterward at its old place, so that slow hosts never keep other runs from starting.
 */
export async function waitWithoutSlot<T>(deps: RunDeps, at: RunLease, options: SlotWork<T>): Promise<T> {
  const { work, hasSlot, look, alarm, signal } = options;
  const working = work();
  if (!(await settlesWithin(working, patienceMs))) {
    await updateLeased(deps.db, at, { slot: false });
    await look();
    deps.wakeup.poke("queue");
  }
  const result = await working;
  if (hasSlot()) return result;
  const { started_at } = await readLeased(deps.db, at);
  await updateLeased(deps.db, at, { queued_at: started_at ?? new Date() });
  await look();
  deps.wakeup.poke("queue");
  while (!hasSlot()) {
    signal.throwIfAborted();
    await alarm.wait(signal);
  }
  return result;
}

async function settlesWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(() => late.resolve(false), ms);
  const settled = work.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
