/** Returns a signal that never aborts: the default of optional signals. */
export const createNeverSignal = (): AbortSignal => new AbortController().signal;
