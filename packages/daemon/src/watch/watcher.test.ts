import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { appendFile, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FsChanges } from "@wharf/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Watcher, type WatcherOptions } from "./index.ts";

let folder: string;
let workspace: string;
let watcher: Watcher;
let events: FsChanges[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "wharf-watch-"));
  workspace = join(folder, "workspace");
  await mkdir(workspace);
  await mkdir(join(folder, "state"));
  events = [];
});
afterEach(async () => {
  await watcher.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function startWatching(options: Partial<WatcherOptions> = {}): Promise<void> {
  const recordEvent = (event: FsChanges): Promise<void> => {
    events.push(FsChanges.parse(event));
    return Promise.resolve();
  };
  watcher = new Watcher({ workspace, state: join(folder, "state"), onEvent: recordEvent, ...options });
  await watcher.start();
}

const getPath = (path: string): string => join(workspace, path);
const git = (...args: string[]): string =>
  execFileSync("git", args, { cwd: workspace, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
/**
 * Returns and clears the reported changes, one sorted line for each path. A created file may be
 * reported as modified a moment later.
 */
function listChanges(): string[] {
  const lines = events.flatMap(({ changes }) => changes.map(({ type, path }) => `${type} ${path}`));
  events = [];
  return lines
    .filter((line) => !line.startsWith("file-modified ") || !lines.includes(line.replace("modified", "created")))
    .toSorted();
}
/** Waits for the condition, and then until no more events arrive. */
async function waitUntil(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 5_000; Date.now() < end && !holds();) await sleep(20);
  for (let count = -1; count !== events.length; await sleep(150)) count = events.length;
}
const waitForChanges = async (count: number): Promise<string[]> => {
  await waitUntil(() => events.reduce((sum, { changes }) => sum + changes.length, 0) >= count);
  return listChanges();
};
const waitForRescan = (): Promise<void> => waitUntil(() => events.some(({ rescan }) => rescan));

test("a file that is being written is reported when it is complete", async () => {
  await startWatching();
  await writeFile(getPath(".wharf-0123456789abcdef.tmp"), "half");
  await writeFile(getPath("first.txt"), "x");
  expect(await waitForChanges(1)).toEqual(["file-created first.txt"]);
  await rename(getPath(".wharf-0123456789abcdef.tmp"), getPath("whole.txt"));
  expect(await waitForChanges(1)).toEqual(["file-created whole.txt"]);
});

// S-082, S-087
test("created, changed, moved and deleted files and directories are reported by kind, no matter which process changes them", async () => {
  await mkdir(getPath("src"));
  await writeFile(getPath("src/a.ts"), "a");
  await startWatching();
  await writeFile(getPath("src/b.ts"), "b");
  execFileSync("bash", ["-c", "mkdir -p deep/er && echo x > deep/er/c.txt"], { cwd: workspace });
  expect(await waitForChanges(4)).toEqual([
    "directory-created deep",
    "directory-created deep/er",
    "file-created deep/er/c.txt",
    "file-created src/b.ts",
  ]);
  await appendFile(getPath("src/a.ts"), "more");
  // Editors write a temporary file and rename it over the old one.
  await writeFile(getPath("src/.b.tmp"), "b2");
  await rename(getPath("src/.b.tmp"), getPath("src/b.ts"));
  expect(await waitForChanges(2)).toEqual(["file-modified src/a.ts", "file-modified src/b.ts"]);
  await rename(getPath("deep"), getPath("moved"));
  expect(await waitForChanges(6)).toEqual([
    "directory-created moved",
    "directory-created moved/er",
    "directory-deleted deep",
    "directory-deleted deep/er",
    "file-created moved/er/c.txt",
    "file-deleted deep/er/c.txt",
  ]);
  await writeFile(getPath("moved/er/d.txt"), "watched where it is now");
  expect(await waitForChanges(1)).toEqual(["file-created moved/er/d.txt"]);
  await rm(getPath("src"), { recursive: true });
  expect(await waitForChanges(3)).toEqual(["directory-deleted src", "file-deleted src/a.ts", "file-deleted src/b.ts"]);
});

test("a tree that is moved in is reported and watched completely", async () => {
  await startWatching();
  const outside = join(folder, "outside");
  for (let number = 0; number < 30; number++) await mkdir(join(outside, `d${number}/e`), { recursive: true });
  for (let number = 0; number < 30; number++) await writeFile(join(outside, `d${number}/e/f`), "f");
  await rename(outside, getPath("in"));
  expect(await waitForChanges(91)).toHaveLength(91);
  await writeFile(getPath("in/d29/e/late"), "x");
  expect(await waitForChanges(1)).toEqual(["file-created in/d29/e/late"]);
  await rename(getPath("in"), outside);
  expect(await waitForChanges(92)).toHaveLength(92);
  await writeFile(join(outside, "d1/e/f"), "no longer ours");
  await sleep(250);
  expect(listChanges()).toEqual([]);
});

test("a file that changes its type, a recreated directory and a link are reported as what they are", async () => {
  await writeFile(getPath("thing"), "x");
  await mkdir(getPath("again"));
  await writeFile(getPath("again/old"), "x");
  await startWatching();
  execFileSync("bash", ["-c", "rm thing && mkdir thing && rm -r again && mkdir again && touch again/new"], {
    cwd: workspace,
  });
  await symlink("/", getPath("link"));
  expect(await waitForChanges(4)).toEqual([
    "directory-created thing",
    "file-created again/new",
    "file-created link",
    "file-deleted again/old",
  ]);
  await writeFile(getPath("again/newer"), "x");
  expect(await waitForChanges(1)).toEqual(["file-created again/newer"]);
  await writeFile(getPath("gone"), "x");
  await rm(getPath("gone"));
  await sleep(250);
  expect(listChanges()).toEqual([]);
});

// S-087
test("ignored files are not reported (nested rules, exceptions, the repository's own list); tracked files are", async () => {
  git("init", "-q");
  await writeFile(getPath(".gitignore"), "node_modules/\n*.log\n!keep.log\n/build\n");
  await mkdir(getPath("packages/one"), { recursive: true });
  await writeFile(getPath("packages/.gitignore"), "*.tmp\n!one/*.tmp\n");
  await writeFile(getPath(".git/info/exclude"), "private\n");
  await writeFile(getPath("tracked.log"), "t");
  git("add", "-f", ".");
  await startWatching();
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
  expect(await waitForChanges(7)).toEqual([
    "directory-created packages/build",
    "file-created :(top)odd",
    "file-created keep.log",
    "file-created new\nline",
    "file-created packages/build/b",
    "file-created packages/one/a.tmp",
    "file-modified tracked.log",
  ]);
  await writeFile(getPath("node_modules/x/later.js"), "x");
  await writeFile(getPath("a.log"), "more");
  await sleep(250);
  expect(listChanges()).toEqual([]);
});

test("a changed rule applies from then on, with one rescan", async () => {
  git("init", "-q");
  await writeFile(getPath(".gitignore"), "one/\n");
  await mkdir(getPath("one"));
  await mkdir(getPath("two"));
  await startWatching();
  await writeFile(getPath(".gitignore"), "two/\n");
  await waitForRescan();
  expect(events.filter(({ rescan }) => rescan)).toHaveLength(1);
  expect(listChanges()).toEqual(["file-modified .gitignore"]);
  await writeFile(getPath("one/a"), "a");
  await writeFile(getPath("two/a"), "a");
  expect(await waitForChanges(1)).toEqual(["file-created one/a"]);
});

// S-087
test("while it is quiet nothing is reported; then one rescan follows, and the watcher knows the current state", async () => {
  await startWatching();
  await writeFile(getPath("before"), "x");
  await sleep(30);
  {
    using outer = watcher.suspend();
    using inner = watcher.suspend();
    expect(outer).not.toBe(inner);
    await writeFile(getPath("a"), "a");
    await sleep(250);
    expect(watcher.getStatus()).toMatchObject({ status: "paused" });
    expect(listChanges()).toEqual(["file-created before"]);
  }
  await waitForRescan();
  expect(events).toEqual([{ kind: "fs_change", changes: [], rescan: true }]);
  events = [];
  await writeFile(getPath("a"), "a2");
  expect(await waitForChanges(1)).toEqual(["file-modified a"]);
  expect(watcher.pause()).toMatchObject({ status: "paused" });
  watcher.pause();
  await writeFile(getPath("b"), "b");
  await sleep(250);
  expect(events).toEqual([]);
  expect(watcher.resume()).toMatchObject({ status: "watching" });
  watcher.resume();
  await waitForRescan();
  expect(events).toEqual([{ kind: "fs_change", changes: [], rescan: true }]);
});

test("changes over the limit are cut, marked, and followed by one rescan", async () => {
  await startWatching({ budget: { capacity: 1_100, perSecond: 100 } });
  for (let number = 0; number < 1_300; number++) writeFileSync(getPath(`f${number}`), "");
  await waitForRescan();
  const [overflow, rescan] = [events.findIndex((event) => event.overflow), events.findIndex((event) => event.rescan)];
  expect(overflow).toBeGreaterThan(0);
  expect(rescan).toBe(overflow + 1);
  expect(events).toHaveLength(rescan + 1);
  for (const { changes } of events) expect(changes.length).toBeLessThanOrEqual(1_000);
  const reported = listChanges().length;
  expect(reported).toBeGreaterThanOrEqual(1_100);
  expect(reported).toBeLessThan(1_300);
  expect(watcher.getStatus()).toMatchObject({ status: "watching", files: 1_300, overflows: 1, rescans: 1, reported });
  await sleep(100);
  await rm(getPath("f1"));
  expect(await waitForChanges(1)).toEqual(["file-deleted f1"]);
});

test("a full kernel queue is noticed even if the kernel's overflow event never arrives", async () => {
  await startWatching();
  // These changes exceed the kernel's queue while no event is read.
  for (const name of ["one", "two"]) writeFileSync(getPath(name), "");
  for (let number = 0; number < 18_000; number++) utimesSync(getPath(number % 2 === 0 ? "one" : "two"), number, number);
  writeFileSync(getPath("last"), "");
  await waitForRescan();
  expect(events.map(({ overflow, rescan }) => ({ overflow, rescan }))).toEqual([
    { overflow: true, rescan: undefined },
    { overflow: undefined, rescan: true },
  ]);
  expect(watcher.getStatus()).toMatchObject({ files: 3 });
});

test("the watcher eventually catches up even if changes never stop", async () => {
  await startWatching({ queueLimit: 4, maxBehindMs: 800 });
  const busy = setInterval(() => {
    for (let number = 0; number < 6; number++) writeFileSync(getPath(`f${number}`), "");
  }, 50);
  try {
    await waitUntil(() => events.some(({ overflow }) => overflow));
    for (const end = Date.now() + 3_000; Date.now() < end && !events.some(({ rescan }) => rescan);) await sleep(20);
    expect(events.some(({ rescan }) => rescan)).toBe(true);
  } finally {
    clearInterval(busy);
  }
});

test("changes during the first scan are reported when the scan ends", async () => {
  for (let number = 0; number < 4_000; number++) mkdirSync(getPath(`d${number}`));
  watcher = new Watcher({ workspace, state: join(folder, "state"), onEvent: async (event) => void events.push(event) });
  const began = performance.now();
  const started = watcher.start();
  // The top folder has been read by now.
  await sleep(1);
  writeFileSync(getPath("early"), "");
  await started;
  // The start took longer than a batch is collected for, so the batch timer has already fired.
  expect(performance.now() - began).toBeGreaterThan(150);
  expect(await waitForChanges(1)).toEqual(["file-created early"]);
});

// S-084
test("stopping reports collected changes and nothing afterwards, and it can be started again", async () => {
  await startWatching();
  await writeFile(getPath("a"), "a");
  await sleep(20);
  await watcher.stop();
  expect(listChanges()).toEqual(["file-created a"]);
  expect(watcher.getStatus()).toMatchObject({ status: "stopped", directories: 0 });
  await writeFile(getPath("b"), "b");
  await sleep(250);
  expect(listChanges()).toEqual([]);
  await watcher.start();
  await rm(getPath("b"));
  expect(await waitForChanges(1)).toEqual(["file-deleted b"]);
});

test("a slow reader is waited for, and changes are merged by path meanwhile", async () => {
  const gate = Promise.withResolvers<void>();
  await startWatching({
    onEvent: async (event) => {
      events.push(event);
      await gate.promise;
    },
  });
  await writeFile(getPath("a"), "1");
  await waitUntil(() => events.length > 0);
  for (let times = 0; times < 50; times++) {
    await appendFile(getPath("a"), "x");
    await sleep(4);
  }
  expect(events).toHaveLength(1);
  gate.resolve();
  await waitUntil(() => events.length > 1);
  expect(events.length).toBeLessThanOrEqual(3);
});

test("an extremely deep path is followed", async () => {
  await startWatching();
  execFileSync("bash", ["-c", "for i in $(seq 1 60); do mkdir d$i; cd d$i; done; echo x > f"], { cwd: workspace });
  expect(await waitForChanges(61)).toHaveLength(61);
});
