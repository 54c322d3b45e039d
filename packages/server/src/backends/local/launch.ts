import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import type { Writable } from "node:stream";
import type { DaemonConfig } from "@wharf/contract";

export interface LaunchOptions {
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Takes standard output and error. */
  readonly output: Writable;
  /** What the new process gets as its file descriptors from 3 on. */
  readonly extraDescriptors: readonly ("pipe" | number)[];
  readonly config: DaemonConfig;
}

/**
 * Starts a program in a session of its own that outlives the server, with the configuration on its standard input.
 * Its end and failure to start are the caller's to watch.
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
    // A daemon that ends before it has read its configuration shows by its end.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(JSON.stringify(options.config));
    return child;
  } finally {
    closeSync(devNull);
  }
}

type StdioEntries = Exclude<StdioOptions, string>;

/** A descriptor that leaked into the server would be a way out of a sandbox, so something harmless takes its place. */
export function replaceLeakedDescriptors(chosen: StdioEntries, harmless: number): StdioEntries {
  const stdio = [...chosen];
  for (const leaked of getInheritableDescriptors()) stdio[leaked] ??= harmless;
  return Array.from(stdio, (entry) => entry ?? "ignore");
}

/** Open files of this process, beyond the standard ones, that a new process would get. */
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
    return true; // it is closed by now: it was the listing's own
  }
}
