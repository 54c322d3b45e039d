import { useEffect, useState } from "react";
import type { PatchLine } from "./patch.ts";

/** A part of a line. One without a token has the colour of the text. */
export interface Piece {
  readonly text: string;
  readonly token?: string;
}
export type HighlightedLines = ReadonlyMap<PatchLine, readonly Piece[]>;

/** The lines of a patch with their colours. They come later: only this loads the parsers. */
export function useHighlight(path: string, lines: readonly PatchLine[]): HighlightedLines | undefined {
  const [result, setResult] = useState<{
    readonly lines: readonly PatchLine[];
    readonly highlighted: HighlightedLines;
  }>();
  useEffect(() => {
    let isCurrent = true;
    const highlight = async () => {
      const { highlightLines } = await import("./highlight.ts");
      const highlighted = await highlightLines(path, lines);
      if (isCurrent) setResult({ lines, highlighted });
    };
    highlight().catch(() => undefined); // the changes are readable without colours
    return () => {
      isCurrent = false;
    };
  }, [path, lines]);
  return result?.lines === lines ? result.highlighted : undefined;
}
