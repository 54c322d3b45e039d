import { randomUUID } from "node:crypto";
import { chmod, lstat, mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { z } from "zod";
import { logName, waitForLog } from "./daemon-log.ts";
import { isOfThisBoot, ProcessIdentity } from "./processes.ts";

/**
 * Records what was started for a runner: ending `root` ends everything in a sandbox; `daemon` is
 * the process that serves the wire.
 */
export const LaunchRecord = z.object({
  isolation: z.enum(["sandbox", "unsafe"]),
  root: ProcessIdentity,
  daemon: ProcessIdentity,
});
export type LaunchRecord = z.infer<typeof LaunchRecord>;

/** An error quotes this much of the end of the log. */
const maxQuotedBytes = 400;

export const isRunnerId = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(name);

/**
 * Locates a runner's folder and the files in it. The constructor checks the name, so no id leads
 * out of the folder of all runners.
 */
export class RunnerFolder {
  readonly id: string;
  readonly path: string;
  readonly workspace: string;
  readonly home: string;
  readonly state: string;
  readonly wire: string;
  readonly bin: string;
  readonly usageFile: string;
  readonly log: string;
  /** Links to the cgroup that limits the memory of the last start, if there is one. */
  readonly cgroup: string;
  readonly #record: string;
  readonly #launching: string;

  constructor(runners: string, id: string) {
    if (!isRunnerId(id)) {
      throw new WharfError("bad_request", {
        issues: [{ path: "runner_id", message: "must be 1 to 64 letters, digits, - or _" }],
      });
    }
    this.id = id;
    this.path = join(runners, id);
    this.workspace = join(this.path, "workspace");
    this.home = join(this.path, "home");
    this.state = join(this.path, "state");
    this.wire = join(this.path, "wire");
    this.bin = join(this.path, "bin");
    this.usageFile = join(this.path, "usage.json");
    this.log = join(this.path, "log");
    this.cgroup = join(this.path, "cgroup");
    this.#record = join(this.path, "run.json");
    this.#launching = join(this.path, "launching");
  }

  async exists(): Promise<boolean> {
    const stats = await lstat(this.path).catch(() => undefined);
    return stats?.isDirectory() ?? false;
  }

  /** Creates missing folders. Returns true if the runner is new. */
  async prepare(): Promise<boolean> {
    const createdPath = await mkdir(this.path, { recursive: true, mode: 0o700 });
    for (const folder of [this.workspace, this.home, this.state, this.wire, this.bin, this.log]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      // The runner owns some of these and may have locked itself out.
      await chmod(folder, 0o700);
    }
    return createdPath !== undefined;
  }

  async readLaunchRecord(): Promise<LaunchRecord | undefined> {
    const launched = await readJson(this.#record, LaunchRecord);
    return launched !== undefined && isOfThisBoot(launched.root) ? launched : undefined;
  }

  async writeLaunchRecord(launched: LaunchRecord): Promise<void> {
    await writeJson(this.#record, launched);
    await rm(this.#launching, { force: true });
  }

  async removeLaunchRecord(): Promise<void> {
    await rm(this.#record, { force: true });
    await rm(this.#launching, { force: true });
  }

  /** Records that a process is about to start that has no record yet. */
  async announceLaunch(): Promise<void> {
    await writeFile(this.#launching, "", { mode: 0o600 });
  }

  /**
   * Returns true if a launch was announced and its record never written: a process may exist that
   * only a search finds.
   */
  async isLaunchOpen(): Promise<boolean> {
    return (await lstat(this.#launching).catch(() => undefined)) !== undefined;
  }

  /** Returns the daemon's last output, to explain why it ended. */
  async readLogTail(): Promise<string> {
    await waitForLog(this.log);
    const file = await open(join(this.log, logName), "r").catch(() => undefined);
    if (file === undefined) return "";
    try {
      const { size } = await file.stat();
      const { buffer, bytesRead } = await file.read(
        Buffer.alloc(maxQuotedBytes),
        0,
        maxQuotedBytes,
        Math.max(0, size - maxQuotedBytes),
      );
      return buffer
        .toString("utf8", 0, bytesRead)
        .replaceAll(/\p{Cc}+/gu, " ")
        .trim();
    } finally {
      await file.close();
    }
  }
}

/** Returns the file's content, or undefined if the file is missing or incomplete. */
export async function readJson<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch {
    return undefined;
  }
}

/** Replaces the file at once: readers see the old content or the new, never half of it. */
export async function writeJson(file: string, value: unknown): Promise<void> {
  const next = `${file}.${randomUUID()}`;
  await writeFile(next, JSON.stringify(value), { mode: 0o600 });
  await rename(next, file);
}
