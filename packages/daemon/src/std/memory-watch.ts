import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The runner's control group files are in one of these folders: in a local sandbox, and in a
 * container with version 2 or 1.
 */
const folders = ["/opt/wharf/cgroup", "/sys/fs/cgroup", "/sys/fs/cgroup/memory"];
/** The file names differ between the two versions. */
const names = [
  { kills: "memory.events", limit: "memory.max" },
  { kills: "memory.oom_control", limit: "memory.limit_in_bytes" },
];

interface MemoryFiles {
  readonly kills: string;
  readonly limit: string;
}
let files: MemoryFiles | undefined | null = null;

/** Version 1 expresses "no limit" only as the largest number of pages. */
const noLimitBytes = 2 ** 60;
// A shell exits with this code after SIGKILL ended its command.
const killedCode = 128 + 9;

interface Exit {
  readonly exit_code?: number | null;
  readonly signal?: string | null;
}

/**
 * Counts the runner's processes that the kernel kills for lack of memory after the watch is
 * created. The kernel does not report which processes they are.
 */
export class MemoryWatch {
  readonly #before = countKills();

  /** Returns 0 if the count cannot be read. */
  get kills(): number {
    return countKills() - this.#before;
  }

  /**
   * Returns whether a program with this exit was killed for lack of memory. An unrelated kill at
   * the same time counts too.
   */
  hasKilled({ exit_code, signal }: Exit): boolean {
    return (signal === "SIGKILL" || exit_code === killedCode) && this.kills > 0;
  }
}

/** Describes the memory limit that the runner reached, as the end of a sentence. */
export function describeMemoryLimit(): string {
  const limit = parseLimit(read("limit"));
  return limit === undefined ? "its memory limit" : `its memory limit of ${formatLimit(limit)}`;
}

function formatLimit(bytes: number): string {
  const mebibytes = Math.round(bytes / 2 ** 20);
  return mebibytes % 1024 === 0 ? `${mebibytes / 1024} GiB` : `${mebibytes} MiB`;
}

const countKills = (): number => parseKills(read("kills"));

export const parseKills = (text: string): number => Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);

export function parseLimit(text: string): number | undefined {
  const bytes = Number(text.trim() || NaN);
  return bytes < noLimitBytes ? bytes : undefined;
}

function read(name: keyof MemoryFiles): string {
  if (files === null) files = findFiles();
  try {
    return files === undefined ? "" : readFileSync(files[name], "utf8");
  } catch {
    return "";
  }
}

const findFiles = (): MemoryFiles | undefined =>
  folders
    .flatMap((folder) => names.map(({ kills, limit }) => ({ kills: join(folder, kills), limit: join(folder, limit) })))
    .find(({ kills }) => existsSync(kills));
