import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import type { WharfError } from "@wharf/contract";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { lockDataFolder } from "./data-folder-lock.ts";

let folder: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), "wharf-lock-")), "data");
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await rm(join(folder, ".."), { recursive: true });
});

/**
 * Another process that tries to lock, prints "held" or the error's code, and keeps its lock until
 * it is killed.
 */
const contender = (code = "") => {
  const script = `
    const { lockDataFolder } = await import(${JSON.stringify(join(import.meta.dirname, "data-folder-lock.ts"))});
    const say = (text) => process.stdout.write(text + "\\n");
    await lockDataFolder(${JSON.stringify(folder)}).then(() => say("held"), (error) => say(error.code + " " + error.context.pid));
    ${code}
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const line = () => lines.next().then(({ value }) => String(value));
  return { child, said: line(), line };
};

test("a second holder is refused with the process id of the first, even within one process", async () => {
  await using _lock = await lockDataFolder(folder);
  await expect(lockDataFolder(folder)).rejects.toMatchObject({
    code: "data_folder_busy",
    context: { pid: `${process.pid}` },
  });
  expect(await contender().said).toBe(`data_folder_busy ${process.pid}`);
});

test("a released lock can be taken at once, and a second release does not affect the next holder", async () => {
  const first = await lockDataFolder(folder);
  await first.release();
  await using _second = await lockDataFolder(folder);
  await first.release();
  await expect(lockDataFolder(folder)).rejects.toMatchObject({ code: "data_folder_busy" });
});

test("the lock of a process killed with SIGKILL is free, although its files still exist", async () => {
  const { child, said } = contender();
  expect(await said).toBe("held");
  await expect(lockDataFolder(folder)).rejects.toMatchObject({
    code: "data_folder_busy",
    context: { pid: `${child.pid}` },
  });
  child.kill("SIGKILL");
  await once(child, "exit");
  expect((await stat(join(folder, "wharf.pid"))).isFile()).toBe(true);
  await using _lock = await lockDataFolder(folder);
});

test("a child that outlives its killed holder does not keep the lock", async () => {
  const { child, said, line } = contender(`
    const { spawn } = await import("node:child_process");
    const heir = spawn("sleep", ["5"], { detached: true, stdio: "ignore" });
    say(String(heir.pid));
  `);
  expect(await said).toBe("held");
  const heir = Number(await line());
  try {
    child.kill("SIGKILL");
    await once(child, "exit");
    process.kill(heir, 0);
    await using _lock = await lockDataFolder(folder);
  } finally {
    process.kill(heir, "SIGKILL");
  }
});

test("exactly one of many concurrent attempts gets a dead holder's lock", async () => {
  const { child, said } = contender();
  await said;
  child.kill("SIGKILL");
  await once(child, "exit");
  const rivals = Array.from({ length: 6 }, () => contender());
  const outcomes = await Promise.all(rivals.map((rival) => rival.said));
  expect(outcomes.filter((outcome) => outcome === "held")).toHaveLength(1);
  const winner = rivals[outcomes.indexOf("held")];
  expect(
    outcomes.filter((outcome) => outcome !== "held").every((outcome) => outcome.startsWith("data_folder_busy")),
  ).toBe(true);
  expect(winner?.child.exitCode).toBeNull();
});

const lockFiles = ["wharf.lock", "wharf.pid"];
const removeFiles = () => Promise.all(lockFiles.map((name) => rm(join(folder, name))));
const onLinux = process.platform === "linux";

test.runIf(onLinux)(
  "a second holder is refused with the first one's process id even if the lock's files are missing",
  async () => {
    const { child, said } = contender();
    expect(await said).toBe("held");
    await removeFiles();
    expect(await contender().said).toBe(`data_folder_busy ${child.pid}`);
    await expect(lockDataFolder(`${folder}/../data/.`)).rejects.toMatchObject({ context: { pid: `${child.pid}` } });
    child.kill("SIGKILL");
    await once(child, "exit");
    await using _lock = await lockDataFolder(folder);
  },
);

test("a removed or replaced lock file is locked again while the lock is held", async () => {
  await using _lock = await lockDataFolder(folder, { checkIntervalMs: 20 });
  for (const replace of [false, true]) {
    await rm(join(folder, "wharf.lock"));
    if (replace) await writeFile(join(folder, "wharf.lock"), "");
    await vi.waitFor(() => {
      const file = new DatabaseSync(join(folder, "wharf.lock"), { timeout: 0 });
      using _closed = { [Symbol.dispose]: () => file.close() };
      expect(() => file.exec("BEGIN EXCLUSIVE")).toThrow("locked");
    });
  }
});

test("a holder is notified when another process holds the lock file that replaced its own", async () => {
  const lost = Promise.withResolvers<WharfError>();
  await using _lock = await lockDataFolder(folder, { checkIntervalMs: 1, onLost: lost.resolve });
  // The lock simulates a process in another container, which shares only the folder.
  const other = join(folder, "other.lock");
  const file = new DatabaseSync(other, { timeout: 0 });
  using _closed = { [Symbol.dispose]: () => file.close() };
  file.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  await rename(other, join(folder, "wharf.lock"));
  expect(await lost.promise).toMatchObject({ code: "data_folder_busy" });
});

test("a folder that cannot be created is refused with the name of its setting", async () => {
  await expect(lockDataFolder("/dev/null/wharf")).rejects.toMatchObject({
    code: "config_invalid",
    context: { name: "WHARF_DATA" },
  });
});

test("a folder that other users may write to is refused, and no file is left in it", async () => {
  await mkdir(folder);
  await chmod(folder, 0o777);
  await expect(lockDataFolder(folder)).rejects.toMatchObject({
    code: "data_folder_open",
    next: `Check the content of the data folder, then close the folder: chmod go-w '${folder}'`,
  });
  expect(await readdir(folder)).toEqual([]);
});
