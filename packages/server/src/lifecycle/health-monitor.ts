import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { getErrorCode } from "../std/errors.ts";

export interface HealthReport {
  readonly status: "ok" | "degraded";
  /** The problems, in sentences for people. The texts contain no path: `/health` needs no token. */
  readonly problems: string[];
}

interface HealthMonitorOptions {
  readonly dataFolder: string;
  /** Runs any query on the database. */
  readonly pingDatabase: () => Promise<unknown>;
  /** Called when a problem appears, changes or ends. */
  readonly onChange?: (report: HealthReport) => void;
  readonly intervalMs?: number;
  readonly patienceMs?: number;
}

const defaultIntervalMs = 5_000;
const defaultPatienceMs = 5_000;

const checkFile = ".health-check";
/** A full disk may still accept an empty file. */
const checkBytes = 4096;

/**
 * Checks regularly whether the data folder is writable and the database answers, so that `/health`
 * can report it without waiting for either. A hanging disk blocks a check until it recovers; the
 * check counts as failed after a timeout, and no second one is started meanwhile.
 */
export class HealthMonitor implements Disposable {
  readonly #options: HealthMonitorOptions;
  readonly #checks: HealthCheck[];
  readonly #timer: NodeJS.Timeout;
  #problems: string[] = [];

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
    const { dataFolder, pingDatabase, patienceMs = defaultPatienceMs, intervalMs = defaultIntervalMs } = options;
    this.#checks = [
      new HealthCheck(() => findFolderProblem(dataFolder), {
        patienceMs,
        hung: "The data folder's disk does not respond.",
      }),
      new HealthCheck(() => findDatabaseProblem(pingDatabase), { patienceMs, hung: "The database does not respond." }),
    ];
    this.#timer = setInterval(() => void this.check(), intervalMs).unref();
  }

  get report(): HealthReport {
    return { status: this.#problems.length === 0 ? "ok" : "degraded", problems: this.#problems };
  }

  async check(): Promise<HealthReport> {
    const results = await Promise.all(this.#checks.map((check) => check.run()));
    const problems = results.filter((problem) => problem !== undefined);
    const isChanged = problems.join("\n") !== this.#problems.join("\n");
    this.#problems = problems;
    if (isChanged) this.#options.onChange?.(this.report);
    return this.report;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

class HealthCheck {
  readonly #attempt: () => Promise<string | undefined>;
  readonly #patienceMs: number;
  readonly #timeoutMessage: string;
  #running: Promise<string | undefined> | undefined;

  constructor(attempt: () => Promise<string | undefined>, options: { patienceMs: number; hung: string }) {
    this.#attempt = attempt;
    this.#patienceMs = options.patienceMs;
    this.#timeoutMessage = options.hung;
  }

  /** Returns the problem, or undefined if there is none. */
  async run(): Promise<string | undefined> {
    const isHung = this.#running !== undefined;
    this.#running ??= this.#attempt().finally(() => (this.#running = undefined));
    // A check that already exceeded its timeout gets no second one.
    return Promise.race([this.#running, sleep(isHung ? 0 : this.#patienceMs, this.#timeoutMessage, { ref: false })]);
  }
}

async function findFolderProblem(folder: string): Promise<string | undefined> {
  const path = join(folder, checkFile);
  try {
    await writeFile(path, Buffer.alloc(checkBytes), { mode: 0o600 });
    await rm(path, { force: true });
    return undefined;
  } catch (error) {
    const code = getErrorCode(error) ?? "an unknown error";
    return folderProblems[code] ?? `The data folder does not accept files (${code}).`;
  }
}

const folderProblems: Readonly<Record<string, string>> = {
  EROFS: "The data folder is read-only.",
  ENOSPC: "The data folder's disk is full.",
  EDQUOT: "The data folder's quota is exhausted.",
  EIO: "The data folder's disk reports an I/O error.",
  ENOENT: "The data folder does not exist.",
};

const findDatabaseProblem = (ping: () => Promise<unknown>): Promise<string | undefined> =>
  ping().then(
    () => undefined,
    () => "The database does not respond.",
  );
