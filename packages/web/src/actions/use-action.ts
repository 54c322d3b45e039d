import { useCallback, useState } from "react";

export interface Action {
  readonly run: () => void;
  readonly isPending: boolean;
  /** Why the last attempt failed. */
  readonly error: unknown;
}

/** Sends a request for a click: one at a time, and with its failure for the page to show. */
export function useAction(send: () => Promise<unknown>): Action {
  const [isPending, setPending] = useState(false);
  const [error, setError] = useState<unknown>();
  const run = useCallback(() => {
    if (isPending) return;
    setPending(true);
    setError(undefined);
    send()
      .catch(setError)
      .finally(() => setPending(false));
  }, [isPending, send]);
  return { run, isPending, error };
}
