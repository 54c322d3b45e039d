/** What changed between two texts, as one stretch of lines: not the smallest patch, but always a right one. */
export interface LineDiff {
  readonly additions: number;
  readonly deletions: number;
  /** In unified form, without the file's header; empty where nothing changed, or where it is no text. */
  readonly hunk: string;
}

const around = 3; // lines of context

export function diffLines(before: Buffer | undefined, after: Buffer | undefined): LineDiff {
  if (isBinary(before) || isBinary(after)) return { additions: 0, deletions: 0, hunk: "" };
  const old = linesOf(before);
  const now = linesOf(after);
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < old.length - start && end < now.length - start && old.at(-1 - end) === now.at(-1 - end)) end += 1;
  const removed = old.slice(start, old.length - end);
  const added = now.slice(start, now.length - end);
  if (removed.length + added.length === 0) return { additions: 0, deletions: 0, hunk: "" };
  const first = Math.max(0, start - around);
  const lead = old.slice(first, start);
  const tail = old.slice(old.length - end, Math.min(old.length, old.length - end + around));
  const range = (count: number) => `${first + (count > 0 ? 1 : 0)},${count}`;
  const edges = lead.length + tail.length;
  const body = [...sign(" ", lead), ...sign("-", removed), ...sign("+", added), ...sign(" ", tail)].join("");
  const head = `@@ -${range(removed.length + edges)} +${range(added.length + edges)} @@\n`;
  return { additions: added.length, deletions: removed.length, hunk: head + body };
}

export const isBinary = (bytes: Buffer | undefined): boolean => bytes?.subarray(0, 8000).includes(0) ?? false;

/** Each with its end. */
const linesOf = (bytes: Buffer | undefined): string[] => bytes?.toString().match(/[^\n]*\n|[^\n]+$/g) ?? [];

const sign = (mark: string, lines: readonly string[]): string[] =>
  lines.map((line) => mark + (line.endsWith("\n") ? line : `${line}\n\\ No newline at end of file\n`));
