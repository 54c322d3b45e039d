import { WharfError } from "@wharf/contract";

/** Nesting beyond this is nobody's data and more than a database's parser takes. */
const maxDepth = 64;

/**
 * Refuses what the schemas let through and no database keeps: text with NUL or half a surrogate pair in it, and data
 * that is nested without end.
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

/** What a message says, or nothing where it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
