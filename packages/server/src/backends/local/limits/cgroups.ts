import { access, constants, mkdir, readFile, rmdir, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { getErrorCode } from "../../../std/errors.ts";
import { listProcesses, getProcessTrees, type Process } from "../processes.ts";
import { getLimitSetting, getSwapSetting, type Limits } from "./cgroup-settings.ts";
import { findCgroups, type CgroupFolder, type Controller } from "./hierarchies.ts";
import type { Limiter } from "./limiter.ts";
import { isBootedBySystemd } from "./systemd.ts";

/** Joins the cgroups before the `--`, then becomes the command after it. */
const joinScript =
  'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec env -i "$@"';

/**
 * Wharf retries the removal of a cgroup this often and this long while the kernel ends its
 * processes.
 */
const removeIntervalMs = 10;
const maxRemoveTries = 200;

/** Creates a cgroup for each runner below the server's own, if the server may. */
export async function findWritableCgroups(): Promise<Limiter | undefined> {
  const parents = new Map<Controller, CgroupFolder>();
  for (const [controller, ownFolder] of findCgroups("self")) {
    // An earlier server here has moved into its subgroup, and this server starts in it.
    const folder =
      basename(ownFolder.path) === serverCgroupName ? { ...ownFolder, path: dirname(ownFolder.path) } : ownFolder;
    if (await canHaveChildren(folder, controller)) parents.set(controller, folder);
  }
  return parents.size === 0 ? undefined : new CgroupLimiter(parents);
}

class CgroupLimiter implements Limiter {
  readonly environment = {};
  readonly #parents: ReadonlyMap<Controller, CgroupFolder>;

  constructor(parents: ReadonlyMap<Controller, CgroupFolder>) {
    this.#parents = parents;
  }

  async enter(id: string, limits: Limits, link?: string): Promise<readonly string[]> {
    await this.release(id); // a server that died may have left cgroups
    for (const [controller, { version, path: parent }] of this.#parents) {
      const path = join(parent, getCgroupName(id));
      await mkdir(path, { recursive: true });
      const { file, value } = getLimitSetting(version, controller, limits);
      await writeFile(join(path, file), value);
      if (controller !== "memory") continue;
      if (link !== undefined) await symlink(path, link);
      const swap = getSwapSetting(version, limits);
      await writeFile(join(path, swap.file), swap.value, { flag: "r+" }).catch(() => undefined);
    }
    return ["/bin/sh", "-c", joinScript, "wharf-limits", ...this.#getFolders(id), "--"];
  }

  async release(id: string): Promise<void> {
    await removeCgroups(this.#getFolders(id));
  }

  /** In version 2 all controllers share one folder. */
  #getFolders(id: string): string[] {
    return [...new Set([...this.#parents.values()].map(({ path }) => join(path, getCgroupName(id))))];
  }
}

const serverCgroupName = "wharf-server";
const getCgroupName = (id: string): string => `wharf-${id}`;

/**
 * Finds the runner's cgroups that contain the process. Another server may have created them, below
 * its own cgroup.
 */
export function findRunnerCgroups(id: string, pid: number): string[] {
  const paths = [...findCgroups(pid).values()].map(({ path }) => path);
  return [...new Set(paths)].filter((path) => basename(path) === getCgroupName(id));
}

export async function removeCgroups(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await removeCgroup(folder);
}

/**
 * A cgroup can be removed once its last process is reaped. A cgroup that cannot be removed contains
 * nothing any more.
 */
async function removeCgroup(folder: string): Promise<void> {
  for (let tries = 0; tries < maxRemoveTries; tries += 1) {
    const error: unknown = await rmdir(folder).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (getErrorCode(error) !== "EBUSY") return;
    await sleep(removeIntervalMs);
  }
}

async function canHaveChildren({ version, path }: CgroupFolder, controller: Controller): Promise<boolean> {
  try {
    await access(path, constants.W_OK);
    await access(join(path, "cgroup.procs"), constants.W_OK);
    if (version === 2) await delegateController(path, controller);
    return true;
  } catch {
    return false;
  }
}

/**
 * Enables a controller for the children of a cgroup of version 2. Only a cgroup without processes
 * can do so (the root always can), so the server moves into a subgroup, with its children and
 * ancestors. It leaves a cgroup alone that other processes use.
 */
async function delegateController(path: string, controller: Controller): Promise<void> {
  const available = await readFile(join(path, "cgroup.controllers"), "utf8");
  if (!available.trim().split(" ").includes(controller)) throw new Error(`${controller} is not delegated`);
  const isRoot = await access(join(path, "cgroup.events")).then(
    () => false,
    () => true,
  );
  if (!isRoot) await moveAside(path);
  await writeFile(join(path, "cgroup.subtree_control"), `+${controller}`);
}

async function moveAside(path: string): Promise<void> {
  const aside = join(path, serverCgroupName);
  for (let pids = await readMembers(path); pids.length > 0; pids = await readMembers(path)) {
    const processes = await listProcesses();
    const self = processes.filter(({ pid }) => pid === process.pid);
    const ownPids = new Set([...getProcessTrees(self, processes), ...getAncestors(processes)].map(({ pid }) => pid));
    const isAnothers = (pid: number) => !ownPids.has(pid) && processes.some((one) => one.pid === pid && !one.dead);
    if (pids.some(isAnothers)) throw new Error("other processes use this cgroup");
    await mkdir(aside, { recursive: true });
    for (const pid of pids) await writeFile(join(aside, "cgroup.procs"), String(pid)).catch(ignoreEnded);
  }
}

async function readMembers(path: string): Promise<number[]> {
  const text = await readFile(join(path, "cgroup.procs"), "utf8");
  return text.split("\n").filter(Boolean).map(Number);
}

function ignoreEnded(error: unknown): void {
  if (getErrorCode(error) !== "ESRCH") throw error;
}

/**
 * Returns the processes that started the server. On a machine with systemd they belong to a session
 * or to systemd itself.
 */
function getAncestors(processes: readonly Process[]): Process[] {
  if (isBootedBySystemd()) return [];
  const chain: Process[] = [];
  for (let pid = process.ppid; pid > 0;) {
    const one = processes.find((candidate) => candidate.pid === pid);
    if (one === undefined) break;
    chain.push(one);
    pid = one.parent;
  }
  return chain;
}
