import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import type { Backend, ObservedRunner, RunnerSpec, RunnerUsage } from "../backend.ts";
import { createPlainBackend } from "../local/index.ts";
import { signalProcess } from "../local/processes.ts";
import { RunnerFolder } from "../local/runner-folder.ts";
import type { DaemonSettings } from "../shared/daemon-settings.ts";
import { dialDaemon } from "./dial-daemon.ts";
import type { Fault } from "./faults.ts";
import { Guard } from "./guard.ts";
import { MockRunner } from "./mock-runner.ts";
import { nearby, type Simulation } from "./simulation.ts";

export interface MockBackendOptions extends DaemonSettings {
  /** Contains `bin` and `lib` with the bundles of the daemon and the agents. */
  readonly kit: string;
  /** Names the Node program that runs them. */
  readonly node: string;
  /** Lists the folders with this machine's programs, as in PATH. */
  readonly searchPath: string;
  /** @default nearby */
  readonly simulation?: Simulation;
  /** The same seed and the same runner id lead to the same delays and failures. */
  readonly seed?: string;
  /** Every new runner gets these faults. */
  readonly faults?: readonly Fault[];
}

/**
 * Hosts real runners that look far away and unreliable: each is the real daemon in a plain process
 * with its own folder, and the wire to it delays, breaks and falls silent as configured.
 *
 * Unlike the other backends it owns its runners: they live in a temporary folder and end with
 * `close`, or with the server's process, however that ends.
 */
export class MockBackend implements Backend {
  readonly name = "mock";
  readonly can;
  readonly isolationReason = "mock runners are plain processes";
  /** Contains a folder for each runner. */
  readonly folder: string;
  readonly #plain: Omit<Backend, "dial">;
  readonly #guard: Guard;
  readonly #options: MockBackendOptions;
  readonly #runners = new Map<string, MockRunner>();
  #closing: Promise<void> | undefined;

  private constructor(folder: string, plain: Omit<Backend, "dial">, options: MockBackendOptions) {
    this.folder = folder;
    this.can = plain.can;
    this.#plain = plain;
    this.#options = options;
    this.#guard = new Guard([folder, options.kit, options.node, options.searchPath]);
  }

  static async open(options: MockBackendOptions): Promise<MockBackend> {
    const folder = await mkdtemp(join(tmpdir(), "wharf-mock-"));
    return new MockBackend(folder, await createPlainBackend({ ...options, folder }), options);
  }

  /** Replaces a runner's faults; bytes count from now. */
  setFaults(id: string, faults: readonly Fault[]): void {
    this.#getRunner(id).faults.set(faults);
  }

  /** Kills the daemon, as a crash does. */
  async kill(id: string): Promise<void> {
    const launched = await new RunnerFolder(this.folder, id).readLaunchRecord();
    if (launched) await signalProcess(launched.daemon, "SIGKILL");
  }

  async create(spec: RunnerSpec, signal?: AbortSignal): Promise<void> {
    await this.#getRunner(spec.id).simulateOperation("create", signal);
    await this.#plain.create(spec, signal);
  }

  async start(spec: RunnerSpec, signal?: AbortSignal): Promise<void> {
    await this.#getRunner(spec.id).simulateOperation("start", signal);
    await this.#plain.start(spec, signal);
  }

  async dial(id: string, signal?: AbortSignal): Promise<Duplex> {
    const runner = this.#getRunner(id);
    await runner.waitUntilReachable(signal);
    return runner.connect(await dialDaemon(new RunnerFolder(this.folder, id), signal));
  }

  async stop(id: string): Promise<void> {
    await this.#getRunner(id).simulateOperation("stop");
    await this.#plain.stop(id);
  }

  async destroy(id: string): Promise<void> {
    await this.#getRunner(id).simulateOperation("destroy");
    await this.#plain.destroy(id);
    this.#runners.delete(id);
  }

  getUsage(id: string): Promise<RunnerUsage> {
    return this.#plain.getUsage(id);
  }

  list(): AsyncIterable<ObservedRunner> {
    return this.#plain.list();
  }

  getMissingReason(program: string): Promise<string | undefined> {
    return this.#plain.getMissingReason(program);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#destroyAll());
  }

  async #destroyAll(): Promise<void> {
    const runners = await Array.fromAsync(this.#plain.list());
    await Promise.all(runners.map(({ id }) => this.#plain.destroy(id)));
    await this.#plain.close();
    await rm(this.folder, { recursive: true, force: true });
    await this.#guard.release();
  }

  #getRunner(id: string): MockRunner {
    const existing = this.#runners.get(id);
    if (existing) return existing;
    const { seed = "wharf", simulation = nearby, faults = [] } = this.#options;
    const runner = new MockRunner({ id, seed, simulation, kill: () => void this.kill(id) });
    runner.faults.set(faults);
    this.#runners.set(id, runner);
    return runner;
  }
}
