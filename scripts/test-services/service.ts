import { execFileSync, spawnSync } from "node:child_process";

export interface TestService {
  readonly name: string;
  /** What the tests need the service for. */
  readonly purpose: string;
  /** Whether tests can use the service now. */
  isPresent(): boolean;
  /** Installs the service's programs; existing ones stay unchanged. */
  install(): void;
  /**
   * Starts the service's missing processes, if it has any. If the machine has its own service,
   * nothing starts.
   */
  start?(): void;
  /** Stops only the processes that `start` started. */
  stop?(): void;
  /** Whether `start` started the service and it still runs. */
  isStarted?(): boolean;
}

const probeTimeoutMs = 20_000;

export const canRun = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: "ignore", timeout: probeTimeoutMs }).status === 0;

/**
 * Runs one of the scripts beside this file; the script itself reports its progress and its errors.
 */
export function runScript(path: string, args: readonly string[], withinMinutes: number): void {
  const { status, error } = spawnSync(path, args, {
    stdio: ["ignore", "inherit", "inherit"],
    timeout: withinMinutes * 60_000,
  });
  if (error) throw new Error(`${path} did not exit within ${withinMinutes} minutes`, { cause: error });
  if (status !== 0) throw new Error(`${path} exited with ${status ?? "a signal"}`);
}

const aptTimeoutMs = 15 * 60_000;

/** Installs Debian packages, if this system is Debian and the process has the permission. */
export function installDebianPackages(...packages: string[]): void {
  if (process.getuid?.() !== 0 || !canRun("apt-get", "--version")) {
    throw new Error(`Install ${packages.join(", ")} with this machine's package manager.`);
  }
  const options = {
    stdio: "inherit",
    timeout: aptTimeoutMs,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  } as const;
  execFileSync("apt-get", ["update", "--quiet=2"], options);
  execFileSync("apt-get", ["install", "--yes", "--quiet=2", "--no-install-recommends", ...packages], options);
}
