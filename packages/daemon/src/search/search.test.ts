import { chmod, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ContentSearch, NameSearch, type SearchLine } from "@wharf/contract";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { during, startFlipping } from "../files/fixtures/flipper.ts";
import { TestFolder } from "../files/fixtures/folder.ts";
import { matchPath, parseQuery } from "./fuzzy-match.ts";
import { findRipgrep, searchContents, searchNames } from "./index.ts";

const fuzzCases = Number(process.env["FUZZ_CASES"] ?? 1_000);

async function createTree(files: Record<string, string | Buffer>): Promise<TestFolder> {
  const folder = await TestFolder.make();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(folder.at(path), ".."), { recursive: true });
    await writeFile(folder.at(path), content);
  }
  return folder;
}

type SearchOptions = Omit<Partial<ContentSearch>, "pattern">;

const ripgrep = findRipgrep();
const engines = [{ engine: "its own reading", program: undefined as string | undefined }];
if (ripgrep !== undefined) engines.push({ engine: "ripgrep", program: ripgrep });

test("ripgrep is found on the search path, and only in absolute folders", async () => {
  await using folder = await createTree({ "bin/rg": "#!/bin/sh\n" });
  expect(findRipgrep(folder.at("bin"))).toBeUndefined();
  await chmod(folder.at("bin/rg"), 0o755);
  expect(findRipgrep(`relative:${folder.at("bin")}`)).toBe(folder.at("bin/rg"));
});

describe.each(engines)("contents by $engine", ({ program }) => {
  const begin = (folder: TestFolder, pattern: string, options: SearchOptions = {}, signal = folder.signal) => {
    const input = ContentSearch.parse({ pattern, ...options });
    return searchContents(folder.workspace, input, { signal, ripgrep: program });
  };
  const search = async (folder: TestFolder, pattern: string, options: SearchOptions = {}) => {
    const lines = await Array.fromAsync(await begin(folder, pattern, options));
    const end = lines.at(-1);
    const matches = lines.filter((line) => line.type === "match");
    const places = matches.map(({ path, line }) => `${path}:${line}`).toSorted();
    return { matches, places, end };
  };

  test("matching lines are returned with position, ranges and context", async () => {
    await using folder = await createTree({ "src/a.ts": "one\r\ntwo ä foo, foo\nthree\nfour\n", "b.txt": "nothing\n" });
    const { matches, end } = await search(folder, "foo", { context: 1 });
    const ranges = [
      { start: 6, end: 9 },
      { start: 11, end: 14 },
    ];
    expect(matches).toEqual([
      {
        type: "match",
        path: "src/a.ts",
        line: 2,
        column: 7,
        text: "two ä foo, foo",
        ranges,
        before: ["one"],
        after: ["three"],
      },
    ]);
    expect(end).toEqual({ type: "end", matches: 1, files: 1 });
  });

  test("literals match exactly, regular expressions by their meaning, and case as requested", async () => {
    await using folder = await createTree({ f: "a.b\naxb\nA.B\nfoobar foo\n(x) [y] -{1}/^$|\\q\n" });
    const findPlaces = async (pattern: string, options: SearchOptions) =>
      (await search(folder, pattern, options)).places;
    expect(await findPlaces("a.b", {})).toEqual(["f:1"]);
    expect(await findPlaces("a.b", { mode: "regex" })).toEqual(["f:1", "f:2"]);
    expect(await findPlaces("a.b", { case: "insensitive" })).toEqual(["f:1", "f:3"]);
    expect(await findPlaces("a.b", { case: "smart" })).toEqual(["f:1", "f:3"]);
    expect(await findPlaces("A.b", { case: "smart" })).toEqual([]);
    expect(await findPlaces("(x) [y] -{1}/^$|\\q", {})).toEqual(["f:5"]);
    expect(await findPlaces("^a\\.b$", { mode: "regex" })).toEqual(["f:1"]);
    const [match] = (await search(folder, "foo", { whole_word: true })).matches;
    expect(match?.ranges).toEqual([{ start: 7, end: 10 }]);
  });

  test("paths that git ignores, .git, links and binary files are left out; hidden files are not", async () => {
    await using folder = await createTree({
      ".gitignore": "*.log\n/build/\n!keep.log\n/deep/skip\n",
      ".git/config": "needle",
      "a.log": "needle",
      "keep.log": "needle",
      "build/x": "needle",
      "deep/build/x": "needle",
      "deep/.gitignore": "/local\n",
      "deep/local": "needle",
      "deep/skip": "needle",
      "deep/more/skip": "needle",
      ".hidden/file": "needle",
      binary: Buffer.from("needle\n\0\n"),
      "late-binary": Buffer.concat([Buffer.from("needle\n".repeat(30_000)), Buffer.alloc(1)]),
    });
    await symlink("keep.log", folder.at("link"));
    await writeFile(join(folder.outside, "secret"), "needle");
    await symlink(folder.outside, folder.at("way-out"));
    expect((await search(folder, "needle")).places).toEqual([
      ".hidden/file:1",
      "deep/build/x:1",
      "deep/more/skip:1",
      "keep.log:1",
    ]);
    expect((await search(folder, "needle", { gitignore: false })).places).toEqual([
      ".hidden/file:1",
      "a.log:1",
      "build/x:1",
      "deep/build/x:1",
      "deep/local:1",
      "deep/more/skip:1",
      "deep/skip:1",
      "keep.log:1",
    ]);
    const within = await search(folder, "needle", { path: "deep" });
    expect(within.places).toEqual(["deep/build/x:1", "deep/more/skip:1"]);
  });

  test("globs select files, and a folder's glob covers its contents", async () => {
    const files = ["a.ts", "a.tsx", "a.js", "src/b.ts", "src/gen/c.ts", "lib/d.ts", "x.ts/inner"];
    await using folder = await createTree(Object.fromEntries(files.map((path) => [path, "needle"])));
    const findPlaces = async (options: SearchOptions) =>
      (await search(folder, "needle", options)).places.map((place) => place.slice(0, -2));
    expect(await findPlaces({ include: ["*.{ts,tsx}"] })).toEqual([
      "a.ts",
      "a.tsx",
      "lib/d.ts",
      "src/b.ts",
      "src/gen/c.ts",
    ]);
    expect(await findPlaces({ include: ["src/"], exclude: ["gen"] })).toEqual(["src/b.ts"]);
    expect(await findPlaces({ include: ["src/*.ts"] })).toEqual(["src/b.ts"]);
    expect(await findPlaces({ include: ["**/gen/**"] })).toEqual(["src/gen/c.ts"]);
    expect(await findPlaces({ path: "src", include: ["gen/*.ts"] })).toEqual(["src/gen/c.ts"]);
    expect(await findPlaces({ exclude: ["/src", "*.js", "x.ts", "[ab].ts*"] })).toEqual(["lib/d.ts"]);
  });

  test("results are limited, and the last line says so", async () => {
    await using folder = await createTree({ a: "x\n".repeat(50), b: "x\n".repeat(50) });
    const bounded = await search(folder, "x", { limit: 60 });
    expect(bounded.matches).toHaveLength(60);
    expect(bounded.end).toMatchObject({ matches: 60, truncated: "limit" });
    const exactly = await search(folder, "x", { limit: 100 });
    expect(exactly.matches).toHaveLength(100);
    expect(exactly.end).toEqual({ type: "end", matches: 100, files: 2 });
  });

  test("a very long line is shown around its match; a line or file that is too large is reported", async () => {
    const long = `${"ä".repeat(5_000)}needle${"b".repeat(5_000)}\n`;
    await using folder = await createTree({ "min.js": long, huge: `${"y".repeat(17 * 1024 * 1024)}\nneedle-2\n` });
    const { matches } = await search(folder, "needle");
    expect(matches[0]?.text).toHaveLength(1_000);
    const [range] = matches[0]?.ranges ?? [];
    expect(matches[0]?.text.slice(range?.start, range?.end)).toBe("needle");
    expect(matches[0]?.column).toBe(5_001);
  });

  test("an invalid pattern is a bad request before anything is answered", async () => {
    await using folder = await createTree({ a: "x" });
    for (const pattern of ["(", "[z-a]", "a{2,1}", "*a"]) {
      const refused = begin(folder, pattern, { mode: "regex" });
      await expect(refused, pattern).rejects.toMatchObject({ code: "bad_request" });
    }
    expect((await search(folder, "(")).matches).toEqual([]);
    await expect(begin(folder, "x", { path: "none" })).rejects.toMatchObject({ code: "file_not_found" });
    await expect(begin(folder, "x", { path: "../outside" })).rejects.toMatchObject({ code: "path_outside" });
  });

  test("a client that leaves ends the search at once, with all its processes", async () => {
    await using folder = await createTree({ a: `${"x\n".repeat(200_000)}` });
    const leaving = new AbortController();
    const before = await countDescriptors();
    const lines = await begin(folder, "x", { limit: 10_000 }, leaving.signal);
    expect((await lines.next()).value).toMatchObject({ type: "match" });
    leaving.abort(new Error("left"));
    await expect(Array.fromAsync(lines)).rejects.toThrow("left");
    const matches = await begin(folder, "x", {});
    await matches.next();
    await matches.return();
    await expect.poll(countDescriptors).toBe(before);
  });

  test.runIf(process.platform === "linux")(
    "a folder that is flipped to a link cannot be used to read outside",
    async () => {
      await using folder = await createTree({ "flip/a/file": "needle inside\n" });
      await mkdir(join(folder.outside, "a"));
      await writeFile(join(folder.outside, "a/file"), "needle outside\n");
      const seen = new Set<string>();
      {
        await using _ = await startFlipping(folder.at("flip"), folder.outside);
        await during(1_200, async () => {
          const { matches } = await search(folder, "needle", { gitignore: false });
          for (const { text } of matches) seen.add(text);
        });
      }
      expect([...seen]).toEqual(["needle inside"]);
    },
  );

  test("a line after invalid UTF-8 is found, for every kind of broken character", async () => {
    await using folder = await createTree({});
    const broken = [[0xfc], [0xe2, 0x82], [0xe2, 0x28], [0xf0, 0x9f, 0x98], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5]];
    const lines = broken.map((bytes) => Buffer.from([...bytes, 0x61, 0x62, 0x0a]));
    await writeFile(folder.at("f"), Buffer.concat(lines));
    const { matches } = await search(folder, "ab");
    expect(matches.map(({ line }) => line)).toEqual(broken.map((_, index) => index + 1));
  });

  test("no file and no pattern breaks the search, and each match is at its reported position", async () => {
    await using folder = await createTree({});
    const piece = fc.constantFrom("a", "b", "ab", "ä", "😀", "\n", "\r\n", "\r", " ", "\u2028", "\uFEFF");
    const bytes = fc.oneof(
      fc.array(piece, { maxLength: 30 }).map((pieces) => Buffer.from(pieces.join(""))),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    );
    const pattern = fc.constantFrom(
      "a",
      "ab",
      "ä",
      "😀",
      "b a",
      "[ab]+",
      "a*",
      "^",
      "$",
      "\\s",
      ".",
      "(a|b)$",
      "b\\b",
      "(((",
    );
    await fc.assert(
      fc.asyncProperty(bytes, pattern, fc.boolean(), async (bytes, pattern, regex) => {
        await writeFile(folder.at("f"), bytes);
        const found = search(folder, pattern, { mode: regex ? "regex" : "literal", context: 1 });
        if (regex && pattern === "(((") {
          await expect(found).rejects.toMatchObject({ code: "bad_request" });
          return;
        }
        const { matches } = await found;
        const lines = bytes.toString().split("\n");
        for (const { line, text } of matches) expect(text).toBe(lines[line - 1]?.replace(/\r$/, ""));
        if (!regex && !bytes.includes(0)) {
          const expectedLines = lines.flatMap((line, index) => (line.includes(pattern) ? [index + 1] : []));
          expect(matches.map(({ line }) => line)).toEqual(expectedLines);
        }
      }),
      { numRuns: fuzzCases / 40 },
    );
  }, 3_600_000);
});

test("a regular expression that never finishes is ended, and the daemon keeps responding", async () => {
  await using folder = await createTree({ a: `${"a".repeat(40)}!\n` });
  const input = ContentSearch.parse({ pattern: "^(a+)+$", mode: "regex", timeout_s: 0.3 });
  let beats = 0;
  const beat = setInterval(() => (beats += 1), 10);
  try {
    const lines = await Array.fromAsync(
      await searchContents(folder.workspace, input, { signal: folder.signal, ripgrep: undefined }),
    );
    expect(lines).toEqual([{ type: "end", matches: 0, files: 0, truncated: "time" } satisfies SearchLine]);
  } finally {
    clearInterval(beat);
  }
  expect(beats).toBeGreaterThan(1);
});

test("names are found by a few characters, best first, without ignored ones", async () => {
  const paths = [
    "src/server/main.ts",
    "src/main.ts",
    "docs/domain.md",
    "src/mailinfo.ts",
    "node_modules/main.ts",
    "README",
  ];
  await using folder = await createTree({
    ...Object.fromEntries(paths.map((path) => [path, ""])),
    ".gitignore": "node_modules\n",
  });
  const search = (options: Partial<NameSearch>) =>
    searchNames(folder.workspace, NameSearch.parse({ query: "", ...options }), folder.signal);
  const found = await search({ query: "main" });
  expect(found.matches.map(({ path }) => path)).toEqual([
    "src/main.ts",
    "src/server/main.ts",
    "src/mailinfo.ts",
    "docs/domain.md",
  ]);
  expect(found.matches[0]?.positions).toEqual([4, 5, 6, 7]);
  expect(found).toMatchObject({ scanned: 6, truncated: false });
  const [server] = (await search({ query: "ser/mai" })).matches;
  expect(server?.path).toBe("src/server/main.ts");
  expect((await search({ query: "Readme" })).matches).toEqual([]);
  expect((await search({ query: "readme" })).matches).toHaveLength(1);
  expect(await search({ query: "", limit: 2 })).toMatchObject({ truncated: true, matches: [{}, {}] });
  expect((await search({ query: "srv", include_folders: true })).matches[0]).toMatchObject({ path: "src/server" });
  expect((await search({ query: "main", path: "src/server" })).matches).toHaveLength(1);
});

test("a fuzzy match has its characters in order at the reported positions, for any query", () => {
  const text = fc.string({ unit: fc.constantFrom(...Array.from("abAB/._İß😀 ")), maxLength: 12 });
  fc.assert(
    fc.property(text, text, (query, path) => {
      const parsed = parseQuery(query);
      const found = matchPath(parsed, path);
      const foldCase = (text: string): string =>
        parsed.exactCase || text.toLowerCase().length !== text.length ? text : text.toLowerCase();
      if (found) {
        const chars = Array.from(parsed.text);
        expect(found.positions).toEqual(found.positions.toSorted((a, b) => a - b));
        for (const [index, position] of found.positions.entries())
          expect(foldCase(path).startsWith(chars[index] ?? "?", position)).toBe(true);
        expect(new Set(found.positions).size).toBe(chars.length);
        expect(Number.isFinite(found.score)).toBe(true);
      } else {
        let index = 0;
        const fits = Array.from(parsed.text).every((char) => {
          const next = foldCase(path).indexOf(char, index);
          index = next + char.length;
          return next !== -1;
        });
        expect(fits).toBe(false);
      }
    }),
    { numRuns: fuzzCases },
  );
});

async function countDescriptors(): Promise<number> {
  await sleep(5);
  return (await readdir("/proc/self/fd")).length;
}
