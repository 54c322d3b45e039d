/**
 * Measures the watcher beside a bare `fs.watch` on one directory: 10,000 files created, all of them
 * reported; and the time and memory that watching a tree of 100,000 files costs. `node
 * bench/watch.ts [files]`
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Watcher } from "../packages/daemon/src/watch/index.ts";
import { type Figure, formatMegabytes, formatMs } from "./support/figures.ts";
import { presentFigures, getSize } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";

const treeSize = { folders: 100, each: 100, files: 10 };

/** The files are created in a separate process, as by an agent. */
const creator = `const { mkdirSync, writeFileSync } = require("node:fs");
const [folder, count] = [process.argv[1], Number(process.argv[2])];
for (let number = 0; number < count; number++) {
  if (number % 100 === 0) mkdirSync(folder + "/d" + number / 100, { recursive: true });
  writeFileSync(folder + "/d" + Math.floor(number / 100) + "/f" + number, "x");
}`;
const planter = `const { mkdirSync, writeFileSync } = require("node:fs");
const [root, folders, each, files] = process.argv.slice(1);
for (let a = 0; a < folders; a++) for (let b = 0; b < each; b++) {
  const folder = root + "/a" + a + "/b" + b;
  mkdirSync(folder, { recursive: true });
  for (let file = 0; file < files; file++) writeFileSync(folder + "/f" + file, "x");
}`;

async function create(folder: string, count: number): Promise<number> {
  await mkdir(folder, { recursive: true });
  const began = performance.now();
  const [code] = await once(spawn(process.execPath, ["-e", creator, folder, String(count)]), "exit");
  if (code !== 0) throw new Error(`creating files ended with ${code}`);
  return performance.now() - began;
}

/** Measures the time from the start of the creating program until the last file is reported. */
async function seen(folder: string, count: number, reported: () => number): Promise<{ took: number; alone: number }> {
  const began = performance.now();
  const creating = create(folder, count);
  let took = 0;
  for (const end = Date.now() + 60_000; took === 0 && Date.now() < end;) {
    if (reported() >= count) took = performance.now() - began;
    else await sleep(2);
  }
  const alone = await creating;
  if (took === 0) throw new Error(`only ${reported()} of ${count} files were reported`);
  return { took, alone };
}

async function measure(): Promise<Figure[]> {
  const files = getSize(10_000);
  await using folder = await createScratchFolder();
  const workspace = join(folder.path, "workspace");
  const state = join(folder.path, "state");
  for (const path of [workspace, state]) await mkdir(path);
  execFileSync("git", ["init", "-q", workspace]);
  await writeFile(join(workspace, ".gitignore"), "node_modules/\n*.log\n");

  const names = new Set<string>();
  let events = 0;
  const watcher = new Watcher({
    workspace,
    state,
    onEvent: ({ changes }) => {
      events++;
      for (const { type, path } of changes) if (type === "file-created") names.add(path);
      return Promise.resolve();
    },
  });
  await watcher.start();
  const ours = await seen(join(workspace, "new"), files, () => names.size);
  const { overflows } = watcher.getStatus();
  await watcher.stop();

  execFileSync(process.execPath, ["-e", planter, workspace, ...Object.values(treeSize).map(String)]);
  const planted = treeSize.folders * treeSize.each * treeSize.files;
  global.gc?.();
  const before = process.memoryUsage.rss();
  const began = performance.now();
  await watcher.start();
  const starting = performance.now() - began;
  const { directories, files: known } = watcher.getStatus();
  const held = process.memoryUsage.rss() - before;
  names.clear();
  const late = await seen(join(workspace, "late"), files, () => names.size);
  await watcher.stop();

  // Measures Node's own watch on one flat directory with the same number of files.
  const bare = join(folder.path, "bare");
  await mkdir(bare);
  const flat = new Set<string>();
  const handle = watch(bare, { recursive: true }, (_, name) => name?.includes("/f") && flat.add(name));
  const beside = await seen(bare, files, () => flat.size);
  handle.close();
  return [
    {
      what: `watcher: ${files.toLocaleString("en-US")} files created, all reported (${events} events, ${overflows} overflows)`,
      wharf: formatMs(ours.took),
      beside: `creating them alone ${formatMs(ours.alone)}`,
      ratio: ours.took / ours.alone,
    },
    {
      what: "the same below a tree of 100,000 files",
      wharf: formatMs(late.took),
      beside: `Node's recursive watch on an empty tree ${formatMs(beside.took)}`,
      ratio: late.took / beside.took,
    },
    {
      what: `watcher: start on ${planted.toLocaleString("en-US")} files (${directories} directories, ${known} files known)`,
      wharf: formatMs(starting),
    },
    { what: "memory that watching them takes", wharf: formatMegabytes(held) },
  ];
}

await presentFigures(measure);
