import { existsSync, readFileSync } from "node:fs";

/** Where the kernel counts what it ended in this control group for want of memory, of either version. */
const places = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];
let place: string | undefined | null = null;

/** How many processes it has ended in this runner so far; 0 where that cannot be seen. */
function memoryKills(): number {
  if (place === null) place = places.find((path) => existsSync(path));
  if (place === undefined) return 0;
  try {
    return countIn(readFileSync(place, "utf8"));
  } catch {
    return 0;
  }
}

export const countIn = (text: string): number => Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);

const killedCode = 128 + 9; // a shell's, for what SIGKILL ended

/**
 * Begun when a program starts: whether its end was the memory's. The kernel says nothing but how many it has ended, so a
 * program that somebody else kills in the same time as another's memory runs out is taken for one of them.
 */
export function watchMemory(): (exit: { exit_code?: number | null; signal?: string | null }) => boolean {
  const before = memoryKills();
  return ({ exit_code, signal }) => (signal === "SIGKILL" || exit_code === killedCode) && memoryKills() > before;
}
