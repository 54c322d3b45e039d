import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Where the files of this runner's control group are: in a local sandbox, and in a container with version 2 or 1. */
const folders = ["/opt/wharf/cgroup", "/sys/fs/cgroup", "/sys/fs/cgroup/memory"];
/** The names of both versions. */
const names = [
  { kills: "memory.events", limit: "memory.max" },
  { kills: "memory.oom_control", limit: "memory.limit_in_bytes" },
];

interface MemoryFiles {
  readonly kills: string;
  readonly limit: string;
}
let files: MemoryFiles | undefined | null = null;

/** Version 1 has no word for "no limit", only the largest number of pages. */
const noLimitBytes = 2 ** 60;
const killedCode = 128 + 9; // a shell's, for what SIGKILL ended

interface Exit {
  readonly exit_code?: number | null;
  readonly signal?: string | null;
}

/**
 * Counts the processes of this runner that the kernel kills for want of memory, from the moment it is made. The kernel does not say
 * which processes they are.
 */
export class MemoryWatch {
  readonly #before = countKills();

  /** 0 where the count cannot be read. */
  get kills(): number {
    return countKills() - this.#before;
  }

  /** Whether a program that ended like this was killed for want of memory. A kill by somebody else at the same time is taken for one. */
  hasKilled({ exit_code, signal }: Exit): boolean {
    return (signal === "SIGKILL" || exit_code === killedCode) && this.kills > 0;
  }
}

/** The limit that the runner reached, as the end of a sentence. */
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
