import type { Diff } from "@wharf/contract";
import { clean } from "./clean.ts";
import { plural } from "./numbers.ts";
import { columnsOf } from "./columns.ts";
import type { Style } from "./style.ts";

type FileChange = Diff["files"][number];
export type ChangeCount = { readonly files: number; readonly additions: number; readonly deletions: number };

export const countChanges = (files: readonly FileChange[]): ChangeCount => ({
  files: files.length,
  additions: files.reduce((sum, { additions }) => sum + additions, 0),
  deletions: files.reduce((sum, { deletions }) => sum + deletions, 0),
});

export const changeCount = ({ files, additions, deletions }: ChangeCount, style: Style): string =>
  `${plural(files, "file")}, ${style.green(`+${additions}`)} ${style.red(`−${deletions}`)}`;

/** Beyond this many files only their number is told. */
const maxFiles = 20;

/** One line a file, and what they come to. */
export function diffStat(files: readonly FileChange[], style: Style): string {
  if (files.length === 0) return "nothing was changed";
  const shown = files.slice(0, maxFiles);
  const paths = shown.map(({ path }) => clean(path).replaceAll("\n", " "));
  const width = Math.max(...paths.map(columnsOf));
  const lines = shown.map(({ additions, deletions }, i) => {
    const path = paths[i] ?? "";
    return `${path}${" ".repeat(width - columnsOf(path))}  ${style.green(`+${additions}`)} ${style.red(`−${deletions}`)}`;
  });
  if (files.length > maxFiles) lines.push(`and ${files.length - maxFiles} more`);
  return [changeCount(countChanges(files), style), ...lines].join("\n");
}

/** A patch, its lines coloured as git does. */
export function patchText(patch: string, style: Style): string {
  return clean(patch)
    .split("\n")
    .map((line) => {
      if (/^(?:diff |index |\+\+\+ |--- |new file|deleted file|similarity|rename )/.test(line)) return style.bold(line);
      if (line.startsWith("@@")) return style.cyan(line);
      if (line.startsWith("+")) return style.green(line);
      return line.startsWith("-") ? style.red(line) : line;
    })
    .join("\n");
}
