import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A cgroup can limit these resources here, by the name of the kernel's controller. */
export const controllers = ["cpu", "memory", "pids"] as const;
export type Controller = (typeof controllers)[number];

/**
 * A folder of the cgroup file system. Version 1 has a tree of folders for each controller, version
 * 2 has one for all.
 */
export interface CgroupFolder {
  readonly version: 1 | 2;
  readonly path: string;
}

interface CgroupMount {
  readonly version: 1 | 2;
  readonly mountPoint: string;
  /** Names the mounted cgroup; in a container it may be the container's own. */
  readonly root: string;
  readonly options: readonly string[];
}

/**
 * Returns the cgroup of the process for each controller; `self` is this process. A process that has
 * ended has none.
 */
export function findCgroups(pid: number | "self"): Map<Controller, CgroupFolder> {
  const places = readCgroups(pid).trim().split("\n").map(parseMembership);
  const trees = readFileSync("/proc/self/mountinfo", "utf8").trim().split("\n").flatMap(parseMount);
  const folders = new Map<Controller, CgroupFolder>();
  for (const controller of controllers) {
    const place = places.find(({ names }) => names.includes(controller)) ?? places.find(({ names }) => names[0] === "");
    const tree = trees.find(({ version, options }) =>
      place?.names[0] === "" ? version === 2 : version === 1 && options.includes(controller),
    );
    if (place === undefined || tree === undefined) continue;
    const inside = place.path.startsWith(tree.root) ? place.path.slice(tree.root.length) : place.path;
    folders.set(controller, { version: tree.version, path: join(tree.mountPoint, inside) });
  }
  return folders;
}

function readCgroups(pid: number | "self"): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "utf8");
  } catch {
    return "";
  }
}

/** Parses a line such as `4:memory:/a/b`, or `0::/a/b` in version 2. */
function parseMembership(line: string): { readonly names: readonly string[]; readonly path: string } {
  const [, names = "", path = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
  return { names: names.split(","), path };
}

function parseMount(line: string): CgroupMount[] {
  const [mountFields = "", filesystemFields = ""] = line.split(" - ");
  const [, , , root = "/", mountPoint = ""] = mountFields.split(" ");
  const [type, , options = ""] = filesystemFields.split(" ");
  if (type !== "cgroup" && type !== "cgroup2") return [];
  return [{ version: type === "cgroup2" ? 2 : 1, mountPoint, root, options: options.split(",") }];
}
