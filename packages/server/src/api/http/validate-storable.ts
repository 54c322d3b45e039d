import { WharfError } from "@wharf/contract";

/** Real data is never nested more deeply, and a database's parser does not accept more. */
const maxDepth = 64;

/**
 * Refuses values that the schemas accept and no database stores: text that contains NUL or half a
 * surrogate pair, and data that is nested too deeply.
 */
export function requireStorable(value: unknown, path: readonly string[] = []): void {
  if (typeof value === "string") return requireText(value, path);
  if (typeof value !== "object" || value === null) return;
  if (path.length > maxDepth) throwBadRequest(path.slice(0, 3), `is nested deeper than ${maxDepth} levels`);
  for (const [key, item] of Object.entries(value)) {
    requireText(key, path);
    requireStorable(item, [...path, key]);
  }
}

function requireText(text: string, path: readonly string[]): void {
  if (text.includes("\0")) throwBadRequest(path, "must not contain the character NUL");
  if (!text.isWellFormed()) throwBadRequest(path, "is not valid Unicode");
}

function throwBadRequest(path: readonly string[], message: string): never {
  throw new WharfError("bad_request", { issues: [{ path: path.join("."), message }] });
}
