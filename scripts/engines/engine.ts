import { execFileSync, spawnSync } from "node:child_process";

export interface Engine {
  readonly name: string;
  /** What it is for, for the list of what was skipped. */
  readonly purpose: string;
  /** It can be used at this moment. */
  present(): boolean;
  /** Brings its programs; what is there is left alone. */
  install(): void;
  /** For engines with processes: starts what of them is not at work. Nothing is started where the machine has its own. */
  start?(): void;
  /** Ends what `start` started, and nothing else. */
  stop?(): void;
  /** It was started by `start`, and runs. */
  ours?(): boolean;
}

const probeTimeoutMs = 20_000; // ms

export const works = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: "ignore", timeout: probeTimeoutMs }).status === 0;

/** Runs one of the scripts beside this file; it tells the person itself what it does and what went wrong. */
export function script(path: string, args: readonly string[], withinMinutes: number): void {
  const { status, error } = spawnSync(path, args, {
    stdio: ["ignore", "inherit", "inherit"],
    timeout: withinMinutes * 60_000,
  });
  if (error) throw new Error(`${path} did not end within ${withinMinutes} minutes`, { cause: error });
  if (status !== 0) throw new Error(`${path} ended with ${status ?? "a signal"}`);
}

const aptTimeoutMs = 15 * 60_000; // ms

/** Debian's packages, where this is Debian and we may install them. */
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
