import { AsyncLocalStorage } from "node:async_hooks";

/**
 * The transaction of the present call chain. A timer that the chain leaves behind outlives the
 * transaction, hence the flag.
 */
const current = new AsyncLocalStorage<{ open: boolean }>();

/**
 * Runs a transaction's work so that `assertOutsideTransaction` recognises everything that it calls.
 */
export async function runInTransaction<T>(work: () => Promise<T>): Promise<T> {
  const transaction = { open: true };
  try {
    // The work is awaited inside: a statement that is only returned starts with its first `then`.
    return await current.run(transaction, async () => await work());
  } finally {
    transaction.open = false;
  }
}

/**
 * Throws if the caller is inside a transaction. A transaction holds row locks and one of few
 * connections, so slow operations (a second connection, an engine, a runner, git) must wait until
 * it has ended.
 */
export function assertOutsideTransaction(what: string): void {
  if (current.getStore()?.open) throw new Error(`${what} must not be used inside a transaction.`);
}

/** Returns the same object, with methods that refuse calls inside a transaction. */
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
