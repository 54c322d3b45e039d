import { toasts } from "../toasts/index.ts";
import { connections } from "./connections.ts";
import { formatError } from "./format-error.ts";

interface Performance {
  /** What is said when it is done; nothing if the page shows it anyway. */
  readonly done?: string;
  /** Reverses it. */
  readonly undo?: () => Promise<unknown>;
}

/**
 * Does what a person asked for, and says what became of it. Without a connection it sends
 * nothing, because the page could not say whether and when that would happen. Returns whether it
 * was done.
 */
export async function perform(change: () => Promise<unknown>, { done, undo }: Performance = {}): Promise<boolean> {
  const state = connections.getState();
  if (state === "broken" || state === "logged-out") {
    toasts.show("Nothing was changed: there is no connection to the server.", { isFailure: true });
    return false;
  }
  try {
    await change();
  } catch (error) {
    const { message, next } = formatError(error);
    toasts.show(`${message} ${next}`, { isFailure: true });
    return false;
  }
  const action = undo && { label: "Undo", run: () => void perform(undo) };
  if (done !== undefined) toasts.show(done, { action });
  return true;
}
