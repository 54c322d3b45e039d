import { readdir, readlink } from "node:fs/promises";

/**
 * Returns whether a visible process has the file open. On systems without /proc, the answer is
 * false.
 */
export async function isOpenAnywhere(realPath: string): Promise<boolean> {
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
    const paths = descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""));
    if ((await Promise.all(paths)).includes(realPath)) return true;
  }
  return false;
}
