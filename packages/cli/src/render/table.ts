import { stripVTControlCharacters } from "node:util";
import type { Style } from "./style.ts";

/** How many columns text takes: wide letters and most emoji take two. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const { segment } of new Intl.Segmenter().segment(stripVTControlCharacters(text))) {
    columns += wide.test(segment) ? 2 : 1;
  }
  return columns;
}
const wide =
  /^(?:\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6])/u;

const pad = (text: string, width: number) => text + " ".repeat(Math.max(0, width - columnsOf(text)));

/** Rows in columns as wide as their widest cell; the last column is left as it is. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], style: Style): string {
  const widths = header.map((title, i) => Math.max(columnsOf(title), ...rows.map((row) => columnsOf(row[i] ?? ""))));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i === cells.length - 1 ? cell : pad(cell, widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  return [style.dim(line(header)), ...rows.map(line)].map((text) => `${text}\n`).join("");
}

/** Names and what they stand for, one beneath the other; those without a value are left out. */
export function fields(
  entries: readonly (readonly [name: string, value: string | undefined])[],
  style: Style,
  indent = "  ",
): string {
  const shown = entries.filter(
    (entry): entry is readonly [string, string] => entry[1] !== undefined && entry[1] !== "",
  );
  const width = Math.max(0, ...shown.map(([name]) => columnsOf(name)));
  const hanging = `\n${indent}${" ".repeat(width + 2)}`;
  return shown
    .map(([name, value]) => `${indent}${style.dim(pad(name, width))}  ${value.replaceAll("\n", hanging)}\n`)
    .join("");
}
