import { cssLanguage } from "@codemirror/lang-css";
import { htmlLanguage } from "@codemirror/lang-html";
import { javascriptLanguage, tsxLanguage, typescriptLanguage } from "@codemirror/lang-javascript";
import { jsonLanguage } from "@codemirror/lang-json";
import { markdownLanguage } from "@codemirror/lang-markdown";
import { pythonLanguage } from "@codemirror/lang-python";
import type { Language } from "@codemirror/language";
import { highlightCode, tagHighlighter, tags } from "@lezer/highlight";
import type { PatchLine } from "./patch.ts";
import type { HighlightedLines, Piece } from "./use-highlight.ts";

const languages: Readonly<Record<string, Language>> = {
  cjs: javascriptLanguage,
  css: cssLanguage,
  html: htmlLanguage,
  js: javascriptLanguage,
  json: jsonLanguage,
  jsx: tsxLanguage,
  md: markdownLanguage,
  mjs: javascriptLanguage,
  mts: typescriptLanguage,
  py: pythonLanguage,
  ts: typescriptLanguage,
  tsx: tsxLanguage,
};

const highlighter = tagHighlighter([
  { tag: [tags.keyword, tags.operatorKeyword], class: "keyword" },
  { tag: [tags.string, tags.regexp], class: "string" },
  { tag: [tags.number, tags.bool, tags.null], class: "number" },
  { tag: tags.comment, class: "comment" },
]);

/** A longer hunk takes too long for a page that stays responsive, and is shown without colours. */
const maxHunkLength = 20_000;

/**
 * Finds the parts of a patch's lines that have a colour. A patch has only parts of a file, so each
 * hunk is parsed separately, before and with its changes.
 */
export async function highlightLines(path: string, lines: readonly PatchLine[]): Promise<HighlightedLines> {
  const highlighted = new Map<PatchLine, readonly Piece[]>();
  const language = languages[path.slice(path.lastIndexOf(".") + 1).toLowerCase()];
  if (!language) return highlighted;
  for (const hunk of splitHunks(lines)) {
    await yieldToPage();
    highlightHunk(
      language,
      hunk.filter(({ type }) => type !== "added"),
      highlighted,
    );
    // Lines on both sides have the colours of the new one.
    highlightHunk(
      language,
      hunk.filter(({ type }) => type !== "removed"),
      highlighted,
    );
  }
  return highlighted;
}

/** Lets the page draw and answer between two hunks. */
const yieldToPage = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

function splitHunks(lines: readonly PatchLine[]): PatchLine[][] {
  const hunks: PatchLine[][] = [];
  for (const line of lines) {
    if (line.type === "hunk") hunks.push([]);
    else if (line.type !== "note") hunks.at(-1)?.push(line);
  }
  return hunks;
}

function highlightHunk(
  language: Language,
  lines: readonly PatchLine[],
  highlighted: Map<PatchLine, readonly Piece[]>,
): void {
  const code = lines.map(({ text }) => text).join("\n");
  if (code.length > maxHunkLength) return;
  let pieces: Piece[] = [];
  let index = 0;
  const endLine = () => {
    const line = lines[index++];
    if (line) highlighted.set(line, pieces);
    pieces = [];
  };
  const addPiece = (text: string, token: string) => pieces.push({ text, ...(token !== "" && { token }) });
  highlightCode(code, language.parser.parse(code), highlighter, addPiece, endLine);
  endLine();
}
