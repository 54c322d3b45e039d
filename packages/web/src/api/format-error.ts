import { WharfConnectionError, WharfError } from "@wharf/client";

/** Returns what happened and what to do next. */
export function formatError(error: unknown): { readonly message: string; readonly next: string } {
  if (error instanceof WharfError) return { message: error.message, next: error.next };
  if (error instanceof WharfConnectionError)
    return { message: "The server does not answer.", next: "Check your connection; the page tries again by itself." };
  return { message: error instanceof Error ? error.message : String(error), next: "Reload the page." };
}
