import { type QueryKey, useQueryClient } from "@tanstack/react-query";
import { perform } from "../api/index.ts";

type Change = (change: () => Promise<unknown>, options?: ChangeOptions) => Promise<boolean>;

interface ChangeOptions {
  /** What is said when it is done. */
  readonly done?: string;
  /** Reverses it. */
  readonly undo?: () => Promise<unknown>;
}

/** Returns a function that does what a person asked for and reads again what it changed. */
export function useChange(...queryKeys: readonly QueryKey[]): Change {
  const client = useQueryClient();
  const read = () => Promise.all(queryKeys.map((queryKey) => client.invalidateQueries({ queryKey })));
  const withReading = (change: () => Promise<unknown>) => async () => {
    await change();
    await read();
  };
  return (change, options = {}) =>
    perform(withReading(change), { ...options, ...(options.undo && { undo: withReading(options.undo) }) });
}
