import { columnsOf, truncate } from "./columns.ts";
import type { Style } from "./style.ts";

const pad = (text: string, width: number) => text + " ".repeat(Math.max(0, width - columnsOf(text)));

/** How a table looks where it is shown. */
export interface Look {
  readonly style: Style;
  /** The columns of the terminal; without them a table is as wide as what it holds. */
  readonly width?: number | undefined;
}

/** A prompt may be a whole document: this much of it is shown where nothing limits the width. */
export const longestCell = 500;
const gap = 2;
/** No column is made narrower. */
const minColumn = 8;

/** Rows in columns as wide as their widest cell, or narrower so that the table fits; the last column is not filled up. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], { style, width }: Look): string {
  const natural = header.map((title, i) => Math.max(columnsOf(title), ...rows.map((row) => columnsOf(row[i] ?? ""))));
  const widths = width === undefined ? natural : fit(natural, width);
  const line = (cells: readonly string[]) => {
    const cut = cells.map((cell, i) => truncate(cell, widths[i] ?? 0));
    const text = cut.map((cell, i) => (i === cut.length - 1 ? cell : pad(cell, widths[i] ?? 0))).join(" ".repeat(gap));
    return truncate(text.trimEnd(), width ?? Number.POSITIVE_INFINITY);
  };
  return [style.dim(line(header)), ...rows.map(line)].map((text) => `${text}\n`).join("");
}

/** Takes what is too much from the widest columns. */
function fit(widths: readonly number[], total: number): number[] {
  const fitted = [...widths];
  const used = () => fitted.reduce((sum, width) => sum + width, gap * (fitted.length - 1));
  while (used() > total) {
    const widest = fitted.indexOf(Math.max(...fitted));
    const width = fitted[widest] ?? 0;
    if (width <= minColumn) break;
    fitted[widest] = width - 1;
  }
  return fitted;
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
