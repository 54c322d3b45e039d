import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Program, type Comment, parseSync } from "oxc-parser";

export const root = join(import.meta.dirname, "../..");

export interface Source {
  /** Path relative to the repository's root. */
  readonly path: string;
  readonly text: string;
  readonly program: Program;
  readonly comments: readonly Comment[];
}

const generated = /(^|\/)(node_modules|dist|client\/src\/generated)\/|store\/migrations\//;

export function listPaths(patterns: readonly string[]): string[] {
  return globSync(patterns, { cwd: root, exclude: (path) => generated.test(`${path}/`) })
    .filter((path) => !generated.test(path))
    .toSorted();
}

export function readSource(path: string): Source {
  const text = readFileSync(join(root, path), "utf8");
  const { program, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  return { path, text, program, comments };
}

export function getLine(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
