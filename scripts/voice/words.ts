import { readFileSync } from "node:fs";
import { join } from "node:path";
import { listPaths, readSource, root } from "./sources.ts";

/**
 * Finds words in comments and Markdown that a native engineer would not write there. Strings are not
 * searched yet.
 */
const words =
  /\b(?:anew|mend(?:s|ed|ing)?|beneath|shall|wish(?:es|ed)?|tells? of|told of|whoever|whatever|nobody|lies|goes on|at work|of (?:its|their) own|gives? up|given up|is away|takes? up(?! to)|for ever|in good order)\b/i;

interface Passage {
  readonly path: string;
  readonly line: number;
  readonly text: string;
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
    for (const [index, text] of lines.entries()) yield { path, line: index + 1, text };
    return;
  }
  const { text, comments } = readSource(path);
  for (const { start, end } of comments) {
    const first = text.slice(0, start).split("\n").length;
    for (const [index, line] of text.slice(start, end).split("\n").entries()) {
      yield { path, line: first + index, text: line };
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
  .filter(({ text }) => words.test(text));
for (const { path, line, text } of findings) console.log(`${path}:${line} “${words.exec(text)?.[0]}” ${text.trim()}`);
if (findings.length > 0) {
  console.error(`${findings.length} lines hold a word to avoid. Write it plainly.`);
  process.exitCode = 1;
}
