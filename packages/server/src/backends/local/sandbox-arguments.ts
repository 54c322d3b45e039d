import { join } from "node:path";
import type { RunnerSpec } from "../backend.ts";
import { containerPaths } from "../shared/container-paths.ts";
import { getHostMounts, getProcMounts } from "./host-mounts.ts";
import type { Confinement } from "./limits/confinement.ts";
import { createMemoryMount, createReadOnlyMount, readOnlyIfThere, createWritableMount, type Mount } from "./mount.ts";
import type { RunnerFolder } from "./runner-folder.ts";

/** All sandboxes of this server share these parts. */
export interface SandboxFoundation {
  readonly bwrap: string;
  readonly kit: string;
  readonly node: string;
  readonly invented: readonly Mount[];
  /** Lists flags that this machine's bubblewrap may lack. */
  readonly extraFlags: readonly string[];
  /**
   * Starts bubblewrap in a network namespace in which the daemon may serve names. Without it,
   * bubblewrap creates the namespace.
   */
  readonly networkPreparation?: readonly string[];
  /** Holds the seccomp program that checks system calls, if this machine has one. */
  readonly filter?: Buffer;
}

/** Adds the limits of its sandboxes to a foundation that a probe has shown to work. */
export interface ConfinedFoundation extends SandboxFoundation {
  readonly confinement: Confinement;
}

/**
 * bubblewrap writes its status to the first of these file descriptors and reads the filter from the
 * second.
 */
export const statusDescriptor = 3;
export const filterDescriptor = 4;

/**
 * `--die-with-parent` is missing because a runner outlives the server. `--unshare-user` applies
 * even to root, who would keep all capabilities without it.
 */
const namespaceFlags = [
  "--unshare-all",
  "--unshare-user",
  "--uid",
  "1000",
  "--gid",
  "1000",
  "--cap-drop",
  "ALL",
  "--new-session",
  "--hostname",
  "runner",
  "--clearenv",
];

/**
 * The daemon reads these files, in both versions of cgroups, to detect that the kernel killed a
 * process for lack of memory.
 */
const memoryFiles = ["memory.events", "memory.max", "memory.oom_control", "memory.limit_in_bytes"];

/** Returns the command that starts bubblewrap with these arguments. */
export const createBubblewrapCommand = (
  { bwrap, networkPreparation = [] }: SandboxFoundation,
  bwrapArguments: readonly string[],
): string[] => [...networkPreparation, bwrap, ...bwrapArguments];

/** Creates all arguments between `bwrap` and the command. */
export function createSandboxArguments(
  foundation: SandboxFoundation,
  folder: RunnerFolder,
  options: { spec: Pick<RunnerSpec, "id" | "limits">; programs: readonly Mount[] },
): string[] {
  const { memoryBytes } = options.spec.limits;
  const environment = {
    PATH: `${containerPaths.agentLinks}:${containerPaths.kit}/bin:/opt/wharf/node/bin:/usr/local/bin:/usr/bin:/bin`,
    HOME: containerPaths.home,
    USER: "wharf",
    LOGNAME: "wharf",
    SHELL: "/bin/sh",
    LANG: "C.UTF-8",
    WHARF_RUNNER_ID: options.spec.id,
  };
  const mounts: Mount[] = [
    ...getHostMounts(),
    ...foundation.invented,
    ["--proc", "/proc"],
    ...getProcMounts(),
    ["--dev", "/dev"],
    createMemoryMount("/dev/shm", memoryBytes, "1777"),
    createMemoryMount("/tmp", memoryBytes, "1777"),
    createMemoryMount("/run", memoryBytes, "0755"),
    createReadOnlyMount(`${foundation.kit}/bin`, `${containerPaths.kit}/bin`),
    createReadOnlyMount(`${foundation.kit}/lib`, `${containerPaths.kit}/lib`),
    createReadOnlyMount(foundation.node, containerPaths.node),
    ...options.programs,
    createReadOnlyMount(folder.bin, containerPaths.agentLinks),
    createWritableMount(folder.workspace, containerPaths.workspace),
    createWritableMount(folder.home, containerPaths.home),
    createWritableMount(folder.state, containerPaths.state),
    createReadOnlyMount(folder.wire, containerPaths.wire),
    ...memoryFiles.map((file) => readOnlyIfThere(join(folder.cgroup, file), join(containerPaths.cgroup, file))),
    ["--remount-ro", "/dev"],
    ["--remount-ro", "/"],
  ];
  return [
    ...namespaceFlags,
    ...(foundation.networkPreparation === undefined ? [] : ["--share-net"]),
    ...foundation.extraFlags,
    ...(foundation.filter === undefined ? [] : ["--seccomp", String(filterDescriptor)]),
    ...Object.entries(environment).flatMap(([name, value]) => ["--setenv", name, value]),
    ...mounts.flat(),
    "--chdir",
    containerPaths.workspace,
  ];
}
