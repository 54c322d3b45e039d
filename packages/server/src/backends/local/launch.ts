import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import type { Writable } from "node:stream";
import type { DaemonConfig } from "@wharf/contract";

export interface LaunchOptions {
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Receives standard output and error. */
  readonly output: Writable;
  /** Becomes the new process's file descriptors from 3 on. */
  readonly extraDescriptors: readonly ("pipe" | number)[];
  readonly config: DaemonConfig;
}

/**
 * Starts a program in a new session that outlives the server, with the configuration on its
 * standard input. The caller watches for its end and for a failure to start.
 */
export function launchProgram(
  command: string,
  commandArguments: readonly string[],
  options: LaunchOptions,
): ChildProcess {
  const devNull = openSync("/dev/null", "r+");
  try {
    const child = spawn(command, commandArguments, {
      detached: true,
      cwd: options.cwd,
      env: { ...options.environment },
      stdio: replaceLeakedDescriptors(["pipe", options.output, options.output, ...options.extraDescriptors], devNull),
    });
    child.unref();
    // If the daemon ends before it has read its configuration, its exit reports the failure.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(JSON.stringify(options.config));
    return child;
  } finally {
    closeSync(devNull);
  }
}

type StdioEntries = Exclude<StdioOptions, string>;

/**
 * A descriptor that leaked into the server would be a way out of a sandbox, so a harmless one
 * replaces it.
 */
export function replaceLeakedDescriptors(chosen: StdioEntries, harmless: number): StdioEntries {
  const stdio = [...chosen];
  for (const leaked of getInheritableDescriptors()) stdio[leaked] ??= harmless;
  return Array.from(stdio, (entry) => entry ?? "ignore");
}

/** Lists open files of this process, beyond the standard ones, that a new process would inherit. */
export function getInheritableDescriptors(): number[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((descriptor) => descriptor > 2 && !isClosedOnExec(descriptor));
}

const closeOnExecFlag = 0o2000000;

function isClosedOnExec(descriptor: number): boolean {
  try {
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExecFlag) !== 0;
  } catch {
    return true; // already closed: the listing itself used it
  }
}
