import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { appendFile, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FsChanges } from "@wharf/contract";
import { Watcher, type WatcherOptions } from "./index.ts";

let folder: string;
let workspace: string;
let watcher: Watcher;
let told: FsChanges[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "wharf-watch-"));
  workspace = join(folder, "workspace");
  await mkdir(workspace);
  await mkdir(join(folder, "state"));
  told = [];
});
afterEach(async () => {
  await watcher.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function watching(options: Partial<WatcherOptions> = {}): Promise<void> {
  const tell = (event: FsChanges): Promise<void> => {
    told.push(FsChanges.parse(event));
    return Promise.resolve();
  };
  watcher = new Watcher({ workspace, state: join(folder, "state"), onEvent: tell, ...options });
  await watcher.start();
}

const at = (path: string): string => join(workspace, path);
const git = (...args: string[]): string =>
  execFileSync("git", args, { cwd: workspace, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
/**
 * Returns and clears the reported changes, one sorted line for each path. A created file may be
 * reported as modified a moment later.
 */
function said(): string[] {
  const lines = told.flatMap(({ changes }) => changes.map(({ type, path }) => `${type} ${path}`));
  told = [];
  return lines
    .filter((line) => !line.startsWith("file-modified ") || !lines.includes(line.replace("modified", "created")))
    .toSorted();
}
/** Waits for the condition, and then until no more events arrive. */
async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 5_000; Date.now() < end && !holds();) await sleep(20);
  for (let count = -1; count !== told.length; await sleep(150)) count = told.length;
}
const saidOf = async (count: number): Promise<string[]> => {
  await until(() => told.reduce((sum, { changes }) => sum + changes.length, 0) >= count);
  return said();
};
const rescanned = (): Promise<void> => until(() => told.some(({ rescan }) => rescan));

test("a file that is being written is reported when it is complete", async () => {
  await watching();
  await writeFile(at(".wharf-0123456789abcdef.tmp"), "half");
  await writeFile(at("first.txt"), "x");
  expect(await saidOf(1)).toEqual(["file-created first.txt"]);
  await rename(at(".wharf-0123456789abcdef.tmp"), at("whole.txt"));
  expect(await saidOf(1)).toEqual(["file-created whole.txt"]);
});

// S-082, S-087
test("created, changed, moved and deleted files and directories are reported by kind, whoever changes them", async () => {
  await mkdir(at("src"));
  await writeFile(at("src/a.ts"), "a");
  await watching();
  await writeFile(at("src/b.ts"), "b");
  execFileSync("bash", ["-c", "mkdir -p deep/er && echo x > deep/er/c.txt"], { cwd: workspace });
  expect(await saidOf(4)).toEqual([
    "directory-created deep",
    "directory-created deep/er",
    "file-created deep/er/c.txt",
    "file-created src/b.ts",
  ]);
  await appendFile(at("src/a.ts"), "more");
  // Editors write a temporary file and rename it over the old one.
  await writeFile(at("src/.b.tmp"), "b2");
  await rename(at("src/.b.tmp"), at("src/b.ts"));
  expect(await saidOf(2)).toEqual(["file-modified src/a.ts", "file-modified src/b.ts"]);
  await rename(at("deep"), at("moved"));
  expect(await saidOf(6)).toEqual([
    "directory-created moved",
    "directory-created moved/er",
    "directory-deleted deep",
    "directory-deleted deep/er",
    "file-created moved/er/c.txt",
    "file-deleted deep/er/c.txt",
  ]);
  await writeFile(at("moved/er/d.txt"), "watched where it is now");
  expect(await saidOf(1)).toEqual(["file-created moved/er/d.txt"]);
  await rm(at("src"), { recursive: true });
  expect(await saidOf(3)).toEqual(["directory-deleted src", "file-deleted src/a.ts", "file-deleted src/b.ts"]);
});

test("a tree that is moved in is reported and watched completely", async () => {
  await watching();
  const outside = join(folder, "outside");
  for (let number = 0; number < 30; number++) await mkdir(join(outside, `d${number}/e`), { recursive: true });
  for (let number = 0; number < 30; number++) await writeFile(join(outside, `d${number}/e/f`), "f");
  await rename(outside, at("in"));
  expect(await saidOf(91)).toHaveLength(91);
  await writeFile(at("in/d29/e/late"), "x");
  expect(await saidOf(1)).toEqual(["file-created in/d29/e/late"]);
  await rename(at("in"), outside);
  expect(await saidOf(92)).toHaveLength(92);
  await writeFile(join(outside, "d1/e/f"), "no longer ours");
  await sleep(250);
  expect(said()).toEqual([]);
});

test("a file that changes its type, a recreated directory and a link are reported as what they are", async () => {
  await writeFile(at("thing"), "x");
  await mkdir(at("again"));
  await writeFile(at("again/old"), "x");
  await watching();
  execFileSync("bash", ["-c", "rm thing && mkdir thing && rm -r again && mkdir again && touch again/new"], {
    cwd: workspace,
  });
  await symlink("/", at("link"));
  expect(await saidOf(4)).toEqual([
    "directory-created thing",
    "file-created again/new",
    "file-created link",
    "file-deleted again/old",
  ]);
  await writeFile(at("again/newer"), "x");
  expect(await saidOf(1)).toEqual(["file-created again/newer"]);
  await writeFile(at("gone"), "x");
  await rm(at("gone"));
  await sleep(250);
  expect(said()).toEqual([]);
});

// S-087
test("ignored files are not reported (nested rules, exceptions, the repository's own list); tracked files are", async () => {
  git("init", "-q");
  await writeFile(at(".gitignore"), "node_modules/\n*.log\n!keep.log\n/build\n");
  await mkdir(at("packages/one"), { recursive: true });
  await writeFile(at("packages/.gitignore"), "*.tmp\n!one/*.tmp\n");
  await writeFile(at(".git/info/exclude"), "private\n");
  await writeFile(at("tracked.log"), "t");
  git("add", "-f", ".");
  await watching();
  execFileSync(
    "bash",
    [
      "-c",
      `mkdir -p node_modules/x packages/one/node_modules build packages/build
       touch node_modules/x/i.js packages/one/node_modules/i.js a.log keep.log build/b packages/build/b \
         packages/a.tmp packages/one/a.tmp private ':(top)odd' 'new
line'
       echo more >> tracked.log`,
    ],
    { cwd: workspace },
  );
  expect(await saidOf(7)).toEqual([
    "directory-created packages/build",
    "file-created :(top)odd",
    "file-created keep.log",
    "file-created new\nline",
    "file-created packages/build/b",
    "file-created packages/one/a.tmp",
    "file-modified tracked.log",
  ]);
  await writeFile(at("node_modules/x/later.js"), "x");
  await writeFile(at("a.log"), "more");
  await sleep(250);
  expect(said()).toEqual([]);
});

test("a changed rule applies from then on, with one rescan", async () => {
  git("init", "-q");
  await writeFile(at(".gitignore"), "one/\n");
  await mkdir(at("one"));
  await mkdir(at("two"));
  await watching();
  await writeFile(at(".gitignore"), "two/\n");
  await rescanned();
  expect(told.filter(({ rescan }) => rescan)).toHaveLength(1);
  expect(said()).toEqual(["file-modified .gitignore"]);
  await writeFile(at("one/a"), "a");
  await writeFile(at("two/a"), "a");
  expect(await saidOf(1)).toEqual(["file-created one/a"]);
});

// S-087
test("while it is quiet nothing is reported; then one rescan follows, and the watcher knows the current state", async () => {
  await watching();
  await writeFile(at("before"), "x");
  await sleep(30);
  {
    using outer = watcher.suspend();
    using inner = watcher.suspend();
    expect(outer).not.toBe(inner);
    await writeFile(at("a"), "a");
    await sleep(250);
    expect(watcher.getStatus()).toMatchObject({ status: "paused" });
    expect(said()).toEqual(["file-created before"]);
  }
  await rescanned();
  expect(told).toEqual([{ kind: "fs_change", changes: [], rescan: true }]);
  told = [];
  await writeFile(at("a"), "a2");
  expect(await saidOf(1)).toEqual(["file-modified a"]);
  expect(watcher.pause()).toMatchObject({ status: "paused" });
  watcher.pause();
  await writeFile(at("b"), "b");
  await sleep(250);
  expect(told).toEqual([]);
  expect(watcher.resume()).toMatchObject({ status: "watching" });
  watcher.resume();
  await rescanned();
  expect(told).toEqual([{ kind: "fs_change", changes: [], rescan: true }]);
});

test("changes over the limit are cut, marked, and followed by one rescan", async () => {
  await watching({ budget: { capacity: 1_100, perSecond: 100 } });
  for (let number = 0; number < 1_300; number++) writeFileSync(at(`f${number}`), "");
  await rescanned();
  const [overflow, rescan] = [told.findIndex((event) => event.overflow), told.findIndex((event) => event.rescan)];
  expect(overflow).toBeGreaterThan(0);
  expect(rescan).toBe(overflow + 1);
  expect(told).toHaveLength(rescan + 1);
  for (const { changes } of told) expect(changes.length).toBeLessThanOrEqual(1_000);
  const reported = said().length;
  expect(reported).toBeGreaterThanOrEqual(1_100);
  expect(reported).toBeLessThan(1_300);
  expect(watcher.getStatus()).toMatchObject({ status: "watching", files: 1_300, overflows: 1, rescans: 1, reported });
  await sleep(100);
  await rm(at("f1"));
  expect(await saidOf(1)).toEqual(["file-deleted f1"]);
});

test("a full kernel queue is noticed even if the kernel's overflow event never arrives", async () => {
  await watching();
  // These changes exceed the kernel's queue while no event is read.
  for (const name of ["one", "two"]) writeFileSync(at(name), "");
  for (let number = 0; number < 18_000; number++) utimesSync(at(number % 2 === 0 ? "one" : "two"), number, number);
  writeFileSync(at("last"), "");
  await rescanned();
  expect(told.map(({ overflow, rescan }) => ({ overflow, rescan }))).toEqual([
    { overflow: true, rescan: undefined },
    { overflow: undefined, rescan: true },
  ]);
  expect(watcher.getStatus()).toMatchObject({ files: 3 });
});

test("the watcher eventually catches up even if changes never stop", async () => {
  await watching({ queueLimit: 4, maxBehindMs: 800 });
  const busy = setInterval(() => {
    for (let number = 0; number < 6; number++) writeFileSync(at(`f${number}`), "");
  }, 50);
  try {
    await until(() => told.some(({ overflow }) => overflow));
    for (const end = Date.now() + 3_000; Date.now() < end && !told.some(({ rescan }) => rescan);) await sleep(20);
    expect(told.some(({ rescan }) => rescan)).toBe(true);
  } finally {
    clearInterval(busy);
  }
});

test("changes during the first scan are reported when the scan ends", async () => {
  for (let number = 0; number < 4_000; number++) mkdirSync(at(`d${number}`));
  watcher = new Watcher({ workspace, state: join(folder, "state"), onEvent: async (event) => void told.push(event) });
  const began = performance.now();
  const started = watcher.start();
  // The top folder has been read by now.
  await sleep(1);
  writeFileSync(at("early"), "");
  await started;
  // The start took longer than a batch is collected for, so the batch timer has already fired.
  expect(performance.now() - began).toBeGreaterThan(150);
  expect(await saidOf(1)).toEqual(["file-created early"]);
});

// S-084
test("stopping reports collected changes and nothing afterwards, and it can be started again", async () => {
  await watching();
  await writeFile(at("a"), "a");
  await sleep(20);
  await watcher.stop();
  expect(said()).toEqual(["file-created a"]);
  expect(watcher.getStatus()).toMatchObject({ status: "stopped", directories: 0 });
  await writeFile(at("b"), "b");
  await sleep(250);
  expect(said()).toEqual([]);
  await watcher.start();
  await rm(at("b"));
  expect(await saidOf(1)).toEqual(["file-deleted b"]);
});

test("a slow reader is waited for, and changes are merged by path meanwhile", async () => {
  const gate = Promise.withResolvers<void>();
  await watching({
    onEvent: async (event) => {
      told.push(event);
      await gate.promise;
    },
  });
  await writeFile(at("a"), "1");
  await until(() => told.length > 0);
  for (let times = 0; times < 50; times++) {
    await appendFile(at("a"), "x");
    await sleep(4);
  }
  expect(told).toHaveLength(1);
  gate.resolve();
  await until(() => told.length > 1);
  expect(told.length).toBeLessThanOrEqual(3);
});

test("an extremely deep path is followed", async () => {
  await watching();
  execFileSync("bash", ["-c", "for i in $(seq 1 60); do mkdir d$i; cd d$i; done; echo x > f"], { cwd: workspace });
  expect(await saidOf(61)).toHaveLength(61);
});
