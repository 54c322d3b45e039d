import {
  Diff,
  GitBranchName,
  GitCloneRequest,
  GitCommitRequest,
  GitFileChange,
  GitLogEntry,
  GitPath,
  GitProgress,
  GitStatus,
  GitUserEmail,
  GitUserName,
} from "@wharf/contract";
import { parseChanges, parseLog, parseNumstat } from "@wharf/contract/git-output";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CheckIgnoreParser } from "../ignore/check-ignore-parser.ts";
import { createProgressReader } from "./progress.ts";
import { parseStatus } from "./status.ts";

const numRuns = Number(process.env["FUZZ_CASES"] ?? 1_000);
/** The text starts like git's output. */
const words = ["1 ", "2 ", "u ", "? ", "# branch.oid ", "# branch.head ", "MM", ".A", "N...", "100644", "0".repeat(40)];
const gitLike = fc
  .array(
    fc.oneof(
      fc.constantFrom("\0", "\n", "\t", " ", "-", ":100644 100644 a b M", "12", ...words),
      fc.string({ unit: "binary", maxLength: 8 }),
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(""));

test("for any output of git, its parsers return what the contract allows", () => {
  fc.assert(
    fc.property(gitLike, (text) => {
      GitStatus.pick({ branch: true, head: true, files: true }).parse(parseStatus(text));
      GitFileChange.array().parse(parseChanges(text));
      GitLogEntry.array().parse(parseLog(text));
      Diff.shape.files.parse(parseNumstat(text));
    }),
    { numRuns },
  );
});

test("progress lines are reported in steps, and no other lines are", () => {
  const reports: GitProgress[] = [];
  const read = createProgressReader((progress) => reports.push(GitProgress.parse(progress)));
  for (let done = 0; done <= 1_000; done++)
    read(`Receiving objects: ${String(Math.floor(done / 10)).padStart(3)}% (${done}/1000), 1.00 MiB | 2.00 MiB/s`);
  expect(reports).toHaveLength(21);
  expect(reports[3]).toEqual({ type: "progress", phase: "receiving", percent: 15, done: 150, total: 1_000 });
  fc.assert(
    fc.property(
      fc.oneof(
        gitLike,
        fc.string().map((text) => `remote: Counting objects: ${text}`),
      ),
      (line) => {
        createProgressReader((progress) => void GitProgress.parse(progress))(line);
      },
    ),
    { numRuns },
  );
});

test("answers about ignored paths are the same however the bytes are split", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.string({ maxLength: 4 }), fc.string({ minLength: 1, maxLength: 9 })), { maxLength: 20 }),
      fc.array(fc.nat(12), { maxLength: 40 }),
      (pairs, cuts) => {
        const clean = pairs.map((pair) => pair.map((text) => text.replaceAll("\0", "_")) as [string, string]);
        let text = clean.map(([pattern, path]) => `.gitignore\0${1}\0${pattern}\0${path}\0`).join("");
        const reader = new CheckIgnoreParser();
        const answers = cuts.flatMap((cut) => {
          const part = text.slice(0, cut);
          text = text.slice(cut);
          return reader.parse(part);
        });
        answers.push(...reader.parse(text));
        expect(answers).toEqual(
          clean.map(([pattern, path]) => ({ path, ignored: pattern !== "" && !pattern.startsWith("!") })),
        );
      },
    ),
    { numRuns: Math.min(numRuns, 10_000) },
  );
});

test("names, addresses, branches, messages and paths are refused if they are too long or ambiguous", () => {
  const accepted = ["shadow/task-1", "main", "a.b_c-D/9", "x".repeat(250)];
  const refusedPaths = [
    "",
    "x".repeat(251),
    "-f",
    "a b",
    "a..b",
    "a/",
    "/a",
    "a//b",
    ".a",
    "a/.b",
    "a.lock",
    "HEAD",
    "ä",
    "a~1",
  ];
  for (const name of accepted) expect(GitBranchName.safeParse(name).success, name).toBe(true);
  for (const name of refusedPaths) expect(GitBranchName.safeParse(name).success, name).toBe(false);
  for (const name of ["", " ", "x".repeat(101), "a\nb", "a <b>"])
    expect(GitUserName.safeParse(name).success).toBe(false);
  for (const email of ["", "a", `${"x".repeat(251)}@b.c`, "a@b>\n", "a b@c"])
    expect(GitUserEmail.safeParse(email).success, email).toBe(false);
  for (const path of ["", "/etc/passwd", "../x", "a/../../x", "a\0b", "x".repeat(4_097), "a//b"])
    expect(GitPath.safeParse(path).success, path).toBe(false);
  for (const path of [":(top)a", "*", "-x", "a b/ü"]) expect(GitPath.safeParse(path).success, path).toBe(true);
  const commit = { author_name: "A", author_email: "a@b" };
  expect(GitCommitRequest.safeParse({ ...commit, message: "x".repeat(2_000) }).success).toBe(true);
  for (const message of ["x".repeat(2_001), "", "a\0b"])
    expect(GitCommitRequest.safeParse({ ...commit, message }).success).toBe(false);
  const clone = { ...commit, remote_path: "/git/a.git", shadow_branch: "shadow/1" };
  expect(GitCloneRequest.safeParse(clone).success).toBe(true);
  const paths = ["https://example.com/a.git", "/git/../a.git", "ext::sh", `/git/${"x".repeat(500)}.git`];
  for (const remote_path of paths) expect(GitCloneRequest.safeParse({ ...clone, remote_path }).success).toBe(false);
});
