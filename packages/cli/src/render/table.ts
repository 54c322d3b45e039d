import { getTextWidth, truncateText } from "./columns.ts";
import type { Style } from "./style.ts";

const padText = (text: string, width: number) => text + " ".repeat(Math.max(0, width - getTextWidth(text)));

/** Sets the appearance of a table. */
export interface TableStyle {
  readonly style: Style;
  /** Holds the columns of the terminal; without it, a table is as wide as its content. */
  readonly width?: number | undefined;
}

/** A prompt may be a whole document: without a width limit, this much of it is shown. */
export const maxCellLength = 500;
const gap = 2;
/** Columns are never narrower than this. */
const minColumnWidth = 8;

/**
 * Formats rows in columns as wide as their widest cell, or narrower so that the table fits; the
 * last column is not padded.
 */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { style, width }: TableStyle,
): string {
  const naturalWidths = header.map((title, i) =>
    Math.max(getTextWidth(title), ...rows.map((row) => getTextWidth(row[i] ?? ""))),
  );
  const widths = width === undefined ? naturalWidths : getFittedWidths(naturalWidths, width);
  const formatRow = (cells: readonly string[]) => {
    const truncatedCells = cells.map((cell, i) => truncateText(cell, widths[i] ?? 0));
    const text = truncatedCells
      .map((cell, i) => (i === truncatedCells.length - 1 ? cell : padText(cell, widths[i] ?? 0)))
      .join(" ".repeat(gap));
    return truncateText(text.trimEnd(), width ?? Number.POSITIVE_INFINITY);
  };
  return [style.dim(formatRow(header)), ...rows.map(formatRow)].map((text) => `${text}\n`).join("");
}

/** Narrows the widest columns until the table fits. */
function getFittedWidths(widths: readonly number[], total: number): number[] {
  const fitted = [...widths];
  const getTotalWidth = () => fitted.reduce((sum, width) => sum + width, gap * (fitted.length - 1));
  while (getTotalWidth() > total) {
    const widest = fitted.indexOf(Math.max(...fitted));
    const width = fitted[widest] ?? 0;
    if (width <= minColumnWidth) break;
    fitted[widest] = width - 1;
  }
  return fitted;
}

/** Formats names and values on separate lines; entries without a value are left out. */
export function formatFields(
  entries: readonly (readonly [name: string, value: string | undefined])[],
  style: Style,
  indent = "  ",
): string {
  const shownEntries = entries.filter(
    (entry): entry is readonly [string, string] => entry[1] !== undefined && entry[1] !== "",
  );
  const width = Math.max(0, ...shownEntries.map(([name]) => getTextWidth(name)));
  const hanging = `\n${indent}${" ".repeat(width + 2)}`;
  return shownEntries
    .map(([name, value]) => `${indent}${style.dim(padText(name, width))}  ${value.replaceAll("\n", hanging)}\n`)
    .join("");
}
