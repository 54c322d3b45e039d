import { AsyncLocalStorage } from "node:async_hooks";
import type { Executor } from "./executor.ts";

/** Runs as the last statements of a transaction, with the result of its work. */
export type CommitHook = (tx: Executor, result: unknown) => Promise<void>;

/** Loops and timers that the work starts outlive it, hence the flag. */
const current = new AsyncLocalStorage<{ readonly hook: CommitHook; isOpen: boolean }>();

/** Runs work whose transactions all end with the hook: it commits or fails together with them. */
export async function runWithCommitHook<T>(hook: CommitHook, work: () => Promise<T>): Promise<T> {
  const context = { hook, isOpen: true };
  try {
    return await current.run(context, work);
  } finally {
    context.isOpen = false;
  }
}

/** Returns the hook of the present call chain. */
export function getCommitHook(): CommitHook | undefined {
  const context = current.getStore();
  return context?.isOpen ? context.hook : undefined;
}
