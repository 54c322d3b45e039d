import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { expandBraces, parseGlob } from "../std/glob.ts";
import { IgnoreRules } from "./ignore-rules.ts";

const fuzzCases = Number(process.env["FUZZ_CASES"] ?? 150);

async function git(args: string[], input = ""): Promise<string> {
  const environment = { PATH: process.env["PATH"], GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null" };
  const child = spawn("git", args, { stdio: ["pipe", "pipe", "inherit"], env: environment });
  const output = buffer(child.stdout);
  child.stdin.end(input);
  await once(child, "exit");
  return (await output).toString();
}

const isIgnored = (rules: IgnoreRules, path: string): boolean => {
  const names = path.split("/");
  return names.some((_, index) => rules.isIgnored(names.slice(0, index + 1).join("/"), index < names.length - 1));
};

test("any .gitignore is read as git reads it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wharf-ignore-"));
  try {
    await git(["init", "-q", folder]);
    const exclude = join(folder, ".git/info/exclude");
    const piece = fc.constantFrom(
      ..."ab*?/!#\\ -]".split(""),
      "/**/",
      "**/",
      "/**",
      "[ab]",
      "[!a]",
      "[a-c]",
      "[^b-]",
      "[]a]",
      "[[:alpha:]]",
      "\\*",
      "\\ ",
      "ab",
      "a/b",
    );
    // If `**` is not between slashes, git's answer depends on the preceding characters, which is a
    // bug in git.
    const line = fc
      .array(piece, { maxLength: 7 })
      .map((pieces) => pieces.join(""))
      .filter((line) => !/[^/]\*\*|\*\*[^/]/.test(line.replace(/^!/, "")));
    const lines = fc.array(line, { minLength: 1, maxLength: 4 });
    const name = fc
      .array(fc.constantFrom(..."ab*!#- ]".split("")), { minLength: 1, maxLength: 3 })
      .map((c) => c.join(""));
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
    await fc.assert(
      fc.asyncProperty(lines, fc.array(path, { minLength: 1, maxLength: 40 }), async (lines, paths) => {
        await writeFile(exclude, lines.join("\n"));
        const rules = IgnoreRules.parse(lines.join("\n"));
        const output = await git(["-C", folder, "check-ignore", "--no-index", "-z", "--stdin"], paths.join("\0"));
        const ignoredPaths = new Set(output.split("\0"));
        for (const path of paths)
          expect({ path, ignored: isIgnored(rules, path) }).toEqual({ path, ignored: ignoredPaths.has(path) });
      }),
      { numRuns: fuzzCases },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 3_600_000);

test("rules of a deeper folder override those of its parents, and apply only inside it", () => {
  const top = IgnoreRules.parse("*.log\n/build/\n");
  const deep = IgnoreRules.parse("!keep.log\n/local\n", "a/b", top);
  expect(top.isIgnored("x/y.log", false)).toBe(true);
  expect(deep.isIgnored("a/b/y.log", false)).toBe(true);
  expect(deep.isIgnored("a/b/keep.log", false)).toBe(false);
  expect(deep.isIgnored("a/b/local", false)).toBe(true);
  expect(deep.isIgnored("a/b/c/local", false)).toBe(false);
  expect(top.isIgnored("build", true)).toBe(true);
  expect(top.isIgnored("build", false)).toBe(false);
  expect(IgnoreRules.parse("\uFEFF*.tmp\r\n").isIgnored("x.tmp", false)).toBe(true);
});

test.each([
  { what: "stars in a name", unit: "a*", path: (length: number) => "a".repeat(length) },
  { what: "folders in a path", unit: "**/a/", path: (length: number) => Array(length).fill("a").join("/") },
])("twice as many $what cost no more than pattern length times path length", ({ unit, path }) => {
  /** Returns the shortest of many times in ms, which excludes other work of the machine. */
  const measureShortest = (count: number): number => {
    const { matches } = parseGlob(`${unit.repeat(count)}b`);
    const text = path(4 * count);
    const times = Array.from({ length: 30 }, () => {
      const began = performance.now();
      expect(matches(text)).toBe(false);
      return performance.now() - began;
    });
    return Math.min(...times);
  };
  measureShortest(3);
  // Exhaustive backtracking takes a thousand times as long.
  expect(measureShortest(6) / measureShortest(3)).toBeLessThan(100);
});

test("a pattern with too many alternatives is not expanded", () => {
  expect(expandBraces("{a,b}".repeat(40))).toHaveLength(1);
});

test("braces are expanded, nested and side by side", () => {
  expect(expandBraces("*.{ts,tsx}")).toEqual(["*.ts", "*.tsx"]);
  expect(expandBraces("{a,b{c,d}}/{x,y}").toSorted()).toEqual(["a/x", "a/y", "bc/x", "bc/y", "bd/x", "bd/y"]);
  expect(expandBraces("{a}\\{b,c}")).toEqual(["{a}\\{b,c}"]);
});
