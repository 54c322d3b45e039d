import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MemoryFiles } from "../memory-files.ts";
import { diffLines } from "./line-diff.ts";
import { ObjectStore } from "./objects.ts";
import { decodePack, encodePack } from "./pack.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharf-pack-"));
  git(["init", "--quiet", "--initial-branch=main"]);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function git(args: readonly string[], input?: Buffer | string): Buffer {
  const env = { PATH: process.env["PATH"], HOME: "/nonexistent", GIT_CONFIG_NOSYSTEM: "1" };
  const identity = ["-c", "user.name=T", "-c", "user.email=t@localhost"];
  return execFileSync("git", [...identity, ...args], { cwd: folder, env, input, stdio: ["pipe", "pipe", "ignore"] });
}

test("reads what git packs, differences included, with the same names", () => {
  const long = Array.from({ length: 2000 }, (_, i) => `line ${i} ${Math.sin(i)}\n`);
  for (let i = 0; i < 5; i++) {
    long[i * 300] = `changed ${i}\n`;
    writeFileSync(join(folder, "long.txt"), long.join(""));
    writeFileSync(join(folder, `f${i}`), String(i));
    git(["add", "."]);
    git(["commit", "--quiet", "-m", `c${i}`]);
  }
  const names = git(["rev-list", "--objects", "--all"]).toString();
  const pack = git(["pack-objects", "--stdout", "--delta-base-offset", "--revs", "--all"], "");
  const store = new ObjectStore();
  decodePack(pack, store);
  const head = git(["rev-parse", "HEAD"]).toString().trim();
  for (const name of names.trim().split("\n")) expect(store.get(name.slice(0, 40))).toBeDefined();
  const leaf = new Map(store.leaves(store.commit(head).tree)).get("long.txt");
  expect(store.require(leaf?.sha ?? "", "blob").toString()).toBe(long.join(""));
  expect(store.ancestry(head)).toHaveLength(5);
});

test("git reads what is packed here, and finds nothing wrong with the trees", () => {
  const files = new MemoryFiles(1 << 20);
  for (const path of ["b", "a/b/c", "a.b", "a0", "ü/ö"]) files.write(path, Buffer.from(path));
  files.write("run.sh", Buffer.from("#!/bin/sh\n"), "100755");
  const store = new ObjectStore();
  const tree = store.putTree(files.entries(), new Map());
  const at = "T <t@localhost> 1700000000 +0000";
  const commit = store.put({ type: "commit", body: Buffer.from(`tree ${tree}\nauthor ${at}\ncommitter ${at}\n\nm\n`) });
  const trees = new Set([tree]);
  for (const sha of trees)
    for (const entry of store
      .require(sha, "tree")
      .toString("latin1")
      .matchAll(/40000 [^\0]+\0([\s\S]{20})/g))
      trees.add(Buffer.from(entry[1] ?? "", "latin1").toString("hex"));
  const shas = [commit, ...trees, ...[...store.leaves(tree)].map(([, { sha }]) => sha)];
  git(["index-pack", "--stdin", "--strict"], encodePack([...new Set(shas)].flatMap((sha) => store.get(sha) ?? [])));
  git(["update-ref", "refs/heads/main", commit]);
  git(["fsck", "--strict", "--full"]);
  expect(git(["show", "HEAD:a/b/c"]).toString()).toBe("a/b/c");
  expect(git(["ls-tree", "HEAD", "run.sh"]).toString()).toContain("100755");
});

const numRuns = Number(process.env["FUZZ_CASES"] ?? 2000);

test("a damaged pack is an error and never a hang", () => {
  const whole = encodePack([
    { type: "blob", body: Buffer.from("hello") },
    { type: "blob", body: Buffer.from("hello again") },
  ]);
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, value, length) => {
      const bytes = Buffer.from(whole.subarray(0, length));
      const same = at >= length || bytes[at] === value;
      if (at < length) bytes[at] = value;
      if (same && length === whole.length) return;
      expect(() => decodePack(bytes, new ObjectStore())).toThrow();
    }),
    { numRuns },
  );
});

test("a patch made of what changed is one that git applies", () => {
  const line = fc.constantFrom("a", "b", "c", "");
  const text = fc
    .tuple(fc.array(line, { maxLength: 8 }), fc.boolean())
    .map(([all, end]) => all.join("\n") + (end ? "\n" : ""));
  fc.assert(
    fc.property(text, text, (before, after) => {
      fc.pre(before !== after && before !== "" && after !== "");
      const { hunk } = diffLines(Buffer.from(before), Buffer.from(after));
      writeFileSync(join(folder, "f"), before);
      git(["apply", "--unidiff-zero", "-"], `diff --git a/f b/f\n--- a/f\n+++ b/f\n${hunk}`);
      expect(execFileSync("cat", [join(folder, "f")]).toString()).toBe(after);
    }),
    { numRuns: 40 },
  );
});
