import type { HashedEntry } from "./audit-hash.ts";

/** Formats an entry as a line of an export, from which its hash can be computed again. */
export function formatExportLine({ sequence, at, content, hash }: HashedEntry): string {
  const fields = parseObject(content);
  // Text that is no entry, because somebody changed it, is passed on as it is.
  return `${JSON.stringify(fields ? { sequence, at, ...fields, hash } : { sequence, at, content, hash })}\n`;
}

/** Returns the entry of a line; undefined if the line is none. */
export function parseExportLine(line: string): HashedEntry | undefined {
  const fields = parseObject(line);
  if (!fields) return undefined;
  const { sequence, at, hash, ...content } = fields;
  if (typeof sequence !== "number" || typeof at !== "string" || typeof hash !== "string") return undefined;
  return { sequence, at, content: JSON.stringify(content), hash };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
