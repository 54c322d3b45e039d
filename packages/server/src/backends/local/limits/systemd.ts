import { existsSync } from "node:fs";
import { findOnPath } from "../programs.ts";
import type { Limiter } from "./limiter.ts";

/** Links the scope that contains the shell, then becomes the command. */
const linkScript = 'ln -s "/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)" "$1"; shift; exec env -i "$@"';

export const isBootedBySystemd = (): boolean => existsSync("/run/systemd/system");

/**
 * Puts each runner into a systemd scope: the user's, or the system's if the server is root.
 * systemd-run becomes the command, and systemd removes the scope when its last process ends.
 */
export function findSystemd(searchPath: string): Limiter | undefined {
  const systemdRun = findOnPath("systemd-run", searchPath);
  if (systemdRun === undefined || !isBootedBySystemd()) return undefined;
  const isRoot = process.getuid?.() === 0;
  const options = [...(isRoot ? [] : ["--user"]), "--scope", "--quiet", "--collect"];
  return {
    environment: isRoot ? {} : { XDG_RUNTIME_DIR: `/run/user/${process.getuid?.()}` },
    enter: async (id, { cpu, memoryBytes, processes }, link) => [
      systemdRun,
      ...options,
      `--description=Wharf runner ${id}`,
      `--property=CPUQuota=${Math.ceil(cpu * 100)}%`,
      `--property=MemoryMax=${memoryBytes}`,
      "--property=MemorySwapMax=0",
      `--property=TasksMax=${processes}`,
      "--",
      // A sandbox exposes the environment of its first process.
      ...(link === undefined ? ["/usr/bin/env", "-i"] : ["/bin/sh", "-c", linkScript, "wharf-scope", link]),
    ],
    release: async () => undefined,
  };
}
