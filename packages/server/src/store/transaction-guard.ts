import { AsyncLocalStorage } from "node:async_hooks";

/** The transaction that the present call chain runs in. A timer it leaves behind outlives it, hence the flag. */
const current = new AsyncLocalStorage<{ open: boolean }>();

/** Runs a transaction's work so that `assertOutsideTransaction` recognises everything it calls. */
export async function runInTransaction<T>(work: () => Promise<T>): Promise<T> {
  const transaction = { open: true };
  try {
    // Awaited inside: a statement that is only returned starts with its first `then`.
    return await current.run(transaction, async () => await work());
  } finally {
    transaction.open = false;
  }
}

/**
 * Throws where the caller is inside a transaction. A transaction holds row locks and one of few connections, so whatever
 * may take long (a second connection, an engine, a runner, git) must wait until it has ended.
 */
export function assertOutsideTransaction(what: string): void {
  if (current.getStore()?.open) throw new Error(`${what} must not be used inside a transaction.`);
}

/** The same object, each of whose methods refuses to be called inside a transaction. */
export function guardFromTransactions<T extends object>(target: T, what: string): T {
  return new Proxy(target, {
    get(object, name) {
      const value: unknown = Reflect.get(object, name, object);
      if (typeof value !== "function") return value;
      return (...parameters: unknown[]) => {
        assertOutsideTransaction(what);
        return Reflect.apply(value, object, parameters) as unknown;
      };
    },
  });
}
