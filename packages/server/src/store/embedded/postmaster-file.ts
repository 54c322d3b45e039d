import { execFile } from "node:child_process";
import { chown, readFile, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

/** The status that a running PostgreSQL writes to `postmaster.pid` in its data folder. */
export interface PostmasterFile {
  readonly pid: number;
  readonly socketFolder: string;
  readonly status: "starting" | "stopping" | "ready" | "standby" | "unknown";
}

const statuses = ["starting", "stopping", "ready", "standby"] as const;

const getPostmasterFilePath = (dataFolder: string) => join(dataFolder, "postmaster.pid");

/**
 * Parses the lines: process, data folder, start time, port, socket folder, address, shared memory,
 * status. PostgreSQL writes them one by one.
 */
export async function readPostmasterFile(dataFolder: string): Promise<PostmasterFile | undefined> {
  const text = await readFile(getPostmasterFilePath(dataFolder), "utf8").catch(() => "");
  const lines = text.split("\n").map((line) => line.trim());
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return { pid, socketFolder: lines[4] ?? "", status: statuses.find((status) => status === lines[7]) ?? "unknown" };
}

/**
 * Returns the file if the process it names is alive and really a PostgreSQL of this folder: process
 * ids are reused.
 */
export async function findPostmaster(dataFolder: string): Promise<PostmasterFile | undefined> {
  const file = await readPostmasterFile(dataFolder);
  return file && (await isServingFolder(file.pid, dataFolder)) ? file : undefined;
}

/**
 * PostgreSQL's working directory is its data folder, which identifies the process reliably; macOS
 * shows only the command.
 */
export async function isServingFolder(pid: number, dataFolder: string): Promise<boolean> {
  if (process.platform !== "linux") {
    const command = await promisify(execFile)("ps", ["-o", "command=", "-p", `${pid}`]).catch(() => ({ stdout: "" }));
    return command.stdout.includes(`-D ${dataFolder}`);
  }
  const [folderStats, workingFolderStats] = await Promise.all([stat(dataFolder), stat(`/proc/${pid}/cwd`)]).catch(
    () => [],
  );
  return (
    folderStats !== undefined &&
    workingFolderStats !== undefined &&
    folderStats.dev === workingFolderStats.dev &&
    folderStats.ino === workingFolderStats.ino
  );
}

/**
 * After a kill and a restart of the machine or container the file may name a live process of
 * another program, and PostgreSQL then refuses to start. The file must remain, because PostgreSQL
 * also finds in it the shared memory of a predecessor whose processes may still be running. This
 * function makes the file name the present process instead, which will be PostgreSQL's parent:
 * PostgreSQL regards a file that names its parent as stale, and still checks the memory.
 */
export async function disownPostmasterFile(dataFolder: string): Promise<void> {
  const file = await readPostmasterFile(dataFolder);
  if (!file || file.pid === process.pid || (await isServingFolder(file.pid, dataFolder))) return;
  const path = getPostmasterFilePath(dataFolder);
  const { uid, gid } = await stat(path);
  const [, ...remainingLines] = (await readFile(path, "utf8")).split("\n");
  const replacement = join(dirname(path), "postmaster.pid.new");
  await writeFile(replacement, [process.pid, ...remainingLines].join("\n"), { mode: 0o600 });
  if (process.getuid?.() === 0) await chown(replacement, uid, gid);
  await rename(replacement, path);
}
