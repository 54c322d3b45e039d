/** A line of a file's patch. Lines have numbers on the sides on which they exist. */
export interface PatchLine {
  readonly type: "hunk" | "same" | "added" | "removed" | "note";
  readonly text: string;
  readonly oldLine?: number;
  readonly newLine?: number;
}

const hunkHeader = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)$/;

/**
 * Parses the patch of one file as git prints it. The counts of a hunk decide where it ends, because
 * a removed line may look like a header.
 */
export function parsePatch(patch: string): PatchLine[] {
  const lines: PatchLine[] = [];
  let [oldLine, newLine, oldLeft, newLeft] = [0, 0, 0, 0];
  for (const line of patch.split("\n")) {
    if (line.startsWith("\\")) {
      lines.push({ type: "note", text: line.slice(2) });
      continue;
    }
    if (oldLeft <= 0 && newLeft <= 0) {
      const [header, oldStart, oldCount = "1", newStart, newCount = "1", title = ""] = hunkHeader.exec(line) ?? [];
      if (header === undefined) {
        if (/^(?:Binary files |rename |old mode |new mode |deleted file |new file )/.test(line))
          lines.push({ type: "note", text: line });
        continue;
      }
      [oldLine, oldLeft, newLine, newLeft] = [oldStart, oldCount, newStart, newCount].map(Number) as [
        number,
        number,
        number,
        number,
      ];
      lines.push({ type: "hunk", text: title, oldLine, newLine });
      continue;
    }
    const text = line.slice(1);
    if (line.startsWith("-")) {
      lines.push({ type: "removed", text, oldLine: oldLine++ });
      oldLeft--;
    } else if (line.startsWith("+")) {
      lines.push({ type: "added", text, newLine: newLine++ });
      newLeft--;
    } else {
      lines.push({ type: "same", text, oldLine: oldLine++, newLine: newLine++ });
      oldLeft--;
      newLeft--;
    }
  }
  return lines;
}

/** What one row shows: a line, or two lines beside each other. */
export type PatchRow =
  | { readonly whole: PatchLine }
  | { readonly before: PatchLine | undefined; readonly after: PatchLine | undefined };

export const toRows = (lines: readonly PatchLine[]): PatchRow[] => lines.map((whole) => ({ whole }));

/** Puts each removed line beside the added line that replaces it. */
export function toPairs(lines: readonly PatchLine[]): PatchRow[] {
  const pairs: PatchRow[] = [];
  let removedLines: PatchLine[] = [];
  let addedLines: PatchLine[] = [];
  const flush = () => {
    for (let index = 0; index < Math.max(removedLines.length, addedLines.length); index++)
      pairs.push({ before: removedLines[index], after: addedLines[index] });
    removedLines = [];
    addedLines = [];
  };
  for (const line of lines) {
    if (line.type === "removed") {
      if (addedLines.length > 0) flush();
      removedLines.push(line);
    } else if (line.type === "added") addedLines.push(line);
    else {
      flush();
      pairs.push(line.type === "same" ? { before: line, after: line } : { whole: line });
    }
  }
  flush();
  return pairs;
}
