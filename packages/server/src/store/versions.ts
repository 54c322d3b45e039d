import { WharfError } from "@wharf/contract";

/** The versions of a row that a caller accepts; without them the caller accepts any. */
export type ExpectedVersions = readonly number[] | undefined;

/**
 * Throws if a row has changed since its caller read it. The transaction that changes the row calls
 * this after it has locked the row, so of two concurrent changes the later one fails.
 */
export function requireVersion(
  what: string,
  { id, version }: { readonly id: string; readonly version: number },
  expected: ExpectedVersions,
): void {
  if (expected && !expected.includes(version)) throw new WharfError("precondition_failed", { what, id, version });
}
