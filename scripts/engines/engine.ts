import { execFileSync, spawnSync } from "node:child_process";

export interface Engine {
  readonly name: string;
  /** The engine's purpose, for the list of skipped tests. */
  readonly purpose: string;
  /** Whether the engine can be used now. */
  present(): boolean;
  /** Installs the engine's programs; existing ones stay unchanged. */
  install(): void;
  /**
   * Starts the engine's missing processes, if it has any. Where the machine has its own engine,
   * nothing starts.
   */
  start?(): void;
  /** Stops only the processes that `start` started. */
  stop?(): void;
  /** Whether `start` started the engine and it still runs. */
  ours?(): boolean;
}

const probeTimeoutMs = 20_000;

export const works = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: "ignore", timeout: probeTimeoutMs }).status === 0;

/**
 * Runs one of the scripts beside this file; the script itself reports its progress and its errors.
 */
export function script(path: string, args: readonly string[], withinMinutes: number): void {
  const { status, error } = spawnSync(path, args, {
    stdio: ["ignore", "inherit", "inherit"],
    timeout: withinMinutes * 60_000,
  });
  if (error) throw new Error(`${path} did not end within ${withinMinutes} minutes`, { cause: error });
  if (status !== 0) throw new Error(`${path} ended with ${status ?? "a signal"}`);
}

const aptTimeoutMs = 15 * 60_000;

/** Installs Debian packages, if this system is Debian and the process has the permission. */
export function debian(...packages: string[]): void {
  if (process.getuid?.() !== 0 || !works("apt-get", "--version")) {
    throw new Error(`install ${packages.join(", ")} with this machine's package manager`);
  }
  const options = {
    stdio: "inherit",
    timeout: aptTimeoutMs,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  } as const;
  execFileSync("apt-get", ["update", "--quiet=2"], options);
  execFileSync("apt-get", ["install", "--yes", "--quiet=2", "--no-install-recommends", ...packages], options);
}
