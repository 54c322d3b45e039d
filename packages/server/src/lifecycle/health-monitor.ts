import { setTimeout as sleep } from "node:timers/promises";
import type { PartName } from "@wharf/contract";
import { getErrorMessage } from "../std/errors.ts";
import type { HealthProblem, PartCheck } from "./health-checks.ts";

/** What is known about a part of the server. */
export interface PartHealth extends Partial<HealthProblem> {
  readonly name: PartName;
  /** Not known before the first check, and while a part that it needs has failed. */
  readonly status: "ok" | "failed" | "unknown";
  readonly checked_at?: Date;
  readonly duration_ms?: number;
}

export interface HealthReport {
  readonly status: "ok" | "degraded";
  readonly problems: readonly string[];
}

interface HealthMonitorOptions {
  readonly checks: readonly PartCheck[];
  /** Called when a problem appears, changes or ends. */
  readonly onChange?: (report: HealthReport) => void;
  readonly intervalMs?: number;
  readonly patienceMs?: number;
}

const defaultIntervalMs = 5_000;
const defaultPatienceMs = 5_000;

/**
 * Checks the parts of the server regularly, so that a request about their health waits for none of
 * them. A check that hangs counts as failed after a timeout, and no second one is started
 * meanwhile.
 */
export class HealthMonitor implements Disposable {
  readonly #options: HealthMonitorOptions;
  readonly #checks: readonly RepeatedCheck[];
  readonly #timer: NodeJS.Timeout;
  #parts: readonly PartHealth[];

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
    const { checks, patienceMs = defaultPatienceMs, intervalMs = defaultIntervalMs } = options;
    this.#checks = checks.map((check) => new RepeatedCheck(check, patienceMs));
    this.#parts = checks.map(({ name }) => ({ name, status: "unknown" }));
    this.#timer = setInterval(() => void this.check(), intervalMs).unref();
  }

  /** Whether all parts are known to work. */
  get isReady(): boolean {
    return this.#parts.every(({ status }) => status === "ok");
  }

  get parts(): readonly PartHealth[] {
    return this.#parts;
  }

  get report(): HealthReport {
    const problems = this.#parts.flatMap(({ problem }) => problem ?? []);
    return { status: problems.length === 0 ? "ok" : "degraded", problems };
  }

  async check(): Promise<HealthReport> {
    const before = this.report.problems.join("\n");
    const parts = await Promise.all(this.#checks.map((check) => check.run()));
    const failed = new Set(parts.flatMap(({ name, status }) => (status === "failed" ? [name] : [])));
    this.#parts = parts.map((part, i) => {
      const { needs } = this.#options.checks[i] ?? {};
      return needs !== undefined && failed.has(needs) ? { name: part.name, status: "unknown" } : part;
    });
    if (this.report.problems.join("\n") !== before) this.#options.onChange?.(this.report);
    return this.report;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

class RepeatedCheck {
  readonly #check: PartCheck;
  readonly #patienceMs: number;
  #running: Promise<HealthProblem | undefined> | undefined;

  constructor(check: PartCheck, patienceMs: number) {
    this.#check = check;
    this.#patienceMs = patienceMs;
  }

  async run(): Promise<PartHealth> {
    const { name, hung } = this.#check;
    const isHung = this.#running !== undefined;
    const startedAt = performance.now();
    this.#running ??= this.#attempt().finally(() => (this.#running = undefined));
    // A check that already exceeded its timeout gets no second one.
    const timeout = sleep(isHung ? 0 : this.#patienceMs, hung, { ref: false });
    const found = await Promise.race([this.#running, timeout]);
    return {
      name,
      status: found ? "failed" : "ok",
      ...found,
      checked_at: new Date(),
      duration_ms: Math.round(performance.now() - startedAt),
    };
  }

  async #attempt(): Promise<HealthProblem | undefined> {
    const { findProblem, hung } = this.#check;
    try {
      return await findProblem();
    } catch (error) {
      return { ...hung, reason: getErrorMessage(error) };
    }
  }
}
