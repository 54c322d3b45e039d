import type { Alarm } from "../../shared/alarm.ts";
import type { RunDeps } from "../../shared/deps.ts";
import { getLeasedRun, type RunLease, updateLeasedRun } from "../../state/lease.ts";

/** A start keeps its slot if the remote answers within this time. */
const slotGraceMs = 300;

export interface RemoteWork<T> {
  readonly work: () => Promise<T>;
  readonly hasSlot: () => boolean;
  /** Reads the run again. */
  readonly refresh: () => Promise<unknown>;
  /** Rung when the run may have its slot. */
  readonly alarm: Alarm;
  readonly signal: AbortSignal;
}

/**
 * Does work that waits for a remote host. A run that waits longer than a moment returns its slot
 * meanwhile and then queues for it at its old place, so that slow hosts never keep other runs from
 * starting.
 */
export async function runWithoutSlot<T>(deps: RunDeps, runLease: RunLease, options: RemoteWork<T>): Promise<T> {
  const { work, hasSlot, refresh, alarm, signal } = options;
  const working = work();
  if (!(await hasSettledWithin(working, slotGraceMs))) {
    await updateLeasedRun(deps.db, runLease, { slot: false });
    await refresh();
    deps.wakeup.poke("queue");
  }
  const result = await working;
  if (hasSlot()) return result;
  const { started_at } = await getLeasedRun(deps.db, runLease);
  await updateLeasedRun(deps.db, runLease, { queued_at: started_at ?? new Date() });
  await refresh();
  deps.wakeup.poke("queue");
  while (!hasSlot()) {
    signal.throwIfAborted();
    await alarm.wait(signal);
  }
  return result;
}

async function hasSettledWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const timeout = Promise.withResolvers<false>();
  const timer = setTimeout(() => timeout.resolve(false), ms);
  const settled = work.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}
