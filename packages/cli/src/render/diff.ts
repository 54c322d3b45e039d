import type { Diff } from "@wharf/contract";
import { getTextWidth } from "./columns.ts";
import { formatCount } from "./numbers.ts";
import { toSafeText } from "./safe-text.ts";
import type { Style } from "./style.ts";

type FileChange = Diff["files"][number];
export type ChangeCount = { readonly files: number; readonly additions: number; readonly deletions: number };

export const getChangeCount = (files: readonly FileChange[]): ChangeCount => ({
  files: files.length,
  additions: files.reduce((sum, { additions }) => sum + additions, 0),
  deletions: files.reduce((sum, { deletions }) => sum + deletions, 0),
});

export const formatChangeCount = ({ files, additions, deletions }: ChangeCount, style: Style): string =>
  `${formatCount(files, "file")}, ${style.green(`+${additions}`)} ${style.red(`−${deletions}`)}`;

/** Beyond this limit, only the number of files is reported. */
const maxFiles = 20;

/** Formats one line for each file, and the totals. */
export function formatDiffStat(files: readonly FileChange[], style: Style): string {
  if (files.length === 0) return "nothing was changed";
  const shownFiles = files.slice(0, maxFiles);
  const paths = shownFiles.map(({ path }) => toSafeText(path).replaceAll("\n", " "));
  const width = Math.max(...paths.map(getTextWidth));
  const lines = shownFiles.map(({ additions, deletions }, i) => {
    const path = paths[i] ?? "";
    return `${path}${" ".repeat(width - getTextWidth(path))}  ${style.green(`+${additions}`)} ${style.red(`−${deletions}`)}`;
  });
  if (files.length > maxFiles) lines.push(`and ${files.length - maxFiles} more`);
  return [formatChangeCount(getChangeCount(files), style), ...lines].join("\n");
}

/** Formats a patch with git's line colours. */
export function formatPatch(patch: string, style: Style): string {
  return toSafeText(patch)
    .split("\n")
    .map((line) => {
      if (/^(?:diff |index |\+\+\+ |--- |new file|deleted file|similarity|rename )/.test(line)) return style.bold(line);
      if (line.startsWith("@@")) return style.cyan(line);
      if (line.startsWith("+")) return style.green(line);
      return line.startsWith("-") ? style.red(line) : line;
    })
    .join("\n");
}
