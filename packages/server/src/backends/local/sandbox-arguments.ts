import { join } from "node:path";
import type { RunnerSpec } from "../backend.ts";
import { inside } from "../shared/inside.ts";
import type { Confinement } from "./limits/confinement.ts";
import { hostMounts, procMounts } from "./host-mounts.ts";
import { inMemory, readOnly, readOnlyIfThere, writable, type Mount } from "./mount.ts";
import type { RunnerFolder } from "./runner-folder.ts";

/** What all sandboxes of this server share. */
export interface SandboxFoundation {
  readonly bwrap: string;
  readonly kit: string;
  readonly node: string;
  readonly invented: readonly Mount[];
  /** Flags that this machine's bubblewrap may lack. */
  readonly extraFlags: readonly string[];
  /** The program that judges system calls, where there is one for this machine. */
  readonly filter?: Buffer;
}

/** A foundation that sandboxes were made on, and what holds them to their limits. */
export interface ConfinedFoundation extends SandboxFoundation {
  readonly confinement: Confinement;
}

/** The file descriptors bubblewrap gets: it writes its status to the first and reads the filter from the second. */
export const statusDescriptor = 3;
export const filterDescriptor = 4;

/**
 * No `--die-with-parent`: a runner outlives the server. `--unshare-user` even for root, who would keep all capabilities without it.
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

/** What the daemon reads to tell that the kernel killed something for want of memory, in both versions of cgroups. */
const memoryFiles = ["memory.events", "memory.max", "memory.oom_control", "memory.limit_in_bytes"];

/** Everything between `bwrap` and the command. */
export function sandboxArguments(
  foundation: SandboxFoundation,
  folder: RunnerFolder,
  options: { spec: Pick<RunnerSpec, "id" | "limits">; programs: readonly Mount[] },
): string[] {
  const { memoryBytes } = options.spec.limits;
  const environment = {
    PATH: `${inside.agentLinks}:${inside.kit}/bin:/opt/wharf/node/bin:/usr/local/bin:/usr/bin:/bin`,
    HOME: inside.home,
    USER: "wharf",
    LOGNAME: "wharf",
    SHELL: "/bin/sh",
    LANG: "C.UTF-8",
    WHARF_RUNNER_ID: options.spec.id,
  };
  const mounts: Mount[] = [
    ...hostMounts(),
    ...foundation.invented,
    ["--proc", "/proc"],
    ...procMounts(),
    ["--dev", "/dev"],
    inMemory("/dev/shm", memoryBytes, "1777"),
    inMemory("/tmp", memoryBytes, "1777"),
    inMemory("/run", memoryBytes, "0755"),
    readOnly(`${foundation.kit}/bin`, `${inside.kit}/bin`),
    readOnly(`${foundation.kit}/lib`, `${inside.kit}/lib`),
    readOnly(foundation.node, inside.node),
    ...options.programs,
    readOnly(folder.bin, inside.agentLinks),
    writable(folder.workspace, inside.workspace),
    writable(folder.home, inside.home),
    writable(folder.state, inside.state),
    readOnly(folder.wire, inside.wire),
    ...memoryFiles.map((file) => readOnlyIfThere(join(folder.cgroup, file), join(inside.cgroup, file))),
    ["--remount-ro", "/dev"],
    ["--remount-ro", "/"],
  ];
  return [
    ...namespaceFlags,
    ...foundation.extraFlags,
    ...(foundation.filter === undefined ? [] : ["--seccomp", String(filterDescriptor)]),
    ...Object.entries(environment).flatMap(([name, value]) => ["--setenv", name, value]),
    ...mounts.flat(),
    "--chdir",
    inside.workspace,
  ];
}
