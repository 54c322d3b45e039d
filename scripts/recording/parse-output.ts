/** Parses the output of a program on a terminal that only appends text, with its colours. */

/** The text that a program printed at once. */
export interface OutputChunk {
  /** Milliseconds since the program started. */
  readonly time: number;
  readonly text: string;
}

export type Colour = "plain" | "red" | "green" | "yellow" | "cyan";

export interface TextRun {
  readonly text: string;
  readonly time: number;
  readonly colour: Colour;
  readonly bold: boolean;
  readonly dim: boolean;
}

export type TextLine = readonly TextRun[];

type Style = Pick<TextRun, "colour" | "bold" | "dim">;

const plain: Style = { colour: "plain", bold: false, dim: false };
const styleChanges: Readonly<Record<string, Partial<Style>>> = {
  "": plain,
  "0": plain,
  "1": { bold: true },
  "2": { dim: true },
  "22": { bold: false, dim: false },
  "31": { colour: "red" },
  "32": { colour: "green" },
  "33": { colour: "yellow" },
  "36": { colour: "cyan" },
  "39": { colour: "plain" },
};

// oxlint-disable-next-line no-control-regex -- escape sequences begin with a control character
const tokens = /\u001b\[([\d;]*)m|(\r?\n)|([^\u001b\r\n]+)/g;

/** Splits the output into lines of runs. An escape sequence other than a colour is an error. */
export function parseOutput(chunks: readonly OutputChunk[]): TextLine[] {
  const lines: TextRun[][] = [[]];
  let style = plain;
  for (const { time, text } of chunks) {
    const remainder = text.replaceAll(tokens, (_, codes?: string, newline?: string, printed?: string) => {
      if (newline !== undefined) lines.push([]);
      else if (printed !== undefined) lines.at(-1)?.push({ ...style, time, text: printed });
      else for (const code of (codes ?? "").split(";")) style = changeStyle(style, code);
      return "";
    });
    if (remainder !== "") throw new Error(`cannot draw ${JSON.stringify(remainder.slice(0, 20))}`);
  }
  if (lines.at(-1)?.length === 0) lines.pop();
  return lines;
}

function changeStyle(style: Style, code: string): Style {
  const change = styleChanges[code];
  if (!change) throw new Error(`cannot draw the style ${code}`);
  return { ...style, ...change };
}
