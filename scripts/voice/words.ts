import { readFileSync } from "node:fs";
import { join } from "node:path";
import { listPaths, readSource, root } from "./sources.ts";

/**
 * Finds words in comments and Markdown that a native engineer would not write there, and comment
 * lines of more than 100 columns. Strings are not searched yet.
 */
const words =
  /\b(?:anew|mend(?:s|ed|ing)?|beneath|shall|wish(?:es|ed)?|tells? of|told of|whoever|whatever|nobody|lies|goes on|at work|of (?:its|their) own|gives? up|given up|is away|takes? up(?! to)|for ever|in good order)\b/i;

const maxColumns = 100;

interface Passage {
  readonly path: string;
  readonly line: number;
  readonly text: string;
  /** The end of the comment's line; a document's lines have no limit. */
  readonly columns: number;
}

/** These documents quote titles of tests, requirements and help texts, which have older words. */
const quoting: ReadonlySet<string> = new Set([
  "docs/acceptance.md",
  "docs/requirements.md",
  "docs/command-reference.md",
]);

function* readPassages(path: string): Generator<Passage> {
  if (path.endsWith(".md")) {
    const lines = readFileSync(join(root, path), "utf8").split("\n");
    for (const [index, text] of lines.entries()) yield { path, line: index + 1, text, columns: 0 };
    return;
  }
  const { text, comments } = readSource(path);
  const lines = text.split("\n");
  for (const { start, end } of comments) {
    const first = text.slice(0, start).split("\n").length;
    for (const [index, part] of text.slice(start, end).split("\n").entries()) {
      const whole = lines[first + index - 1] ?? "";
      const isComment = whole.trimStart().startsWith(part.trimStart());
      yield { path, line: first + index, text: part, columns: isComment ? whole.length : 0 };
    }
  }
}

const patterns = [
  "packages/*/src/**/*.ts",
  "{scripts,test,bench,examples}/**/*.ts",
  "{docs,examples}/**/*.md",
  "packages/*/README.md",
  "*.md",
];
const findings = listPaths(patterns)
  .filter((path) => !quoting.has(path))
  .flatMap((path) => [...readPassages(path)])
  .filter(({ text, columns }) => words.test(text) || columns > maxColumns);
for (const { path, line, text, columns } of findings) {
  const [word] = words.exec(text) ?? [];
  console.log(`${path}:${line} ${word ? `“${word}”` : `${columns} columns`}: ${text.trim()}`);
}
if (findings.length > 0) {
  console.error(`${findings.length} lines hold a word to avoid or are too long.`);
  process.exitCode = 1;
}
