import { mkdir, readdir, rm } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { defaultStopGraceMs, WharfError } from "@wharf/contract";
import type { Backend, ObservedRunner, RunnerSpec, RunnerUsage } from "../backend.ts";
import type { DaemonSettings } from "../shared/daemon-settings.ts";
import { KeyedLock } from "../shared/keyed-lock.ts";
import type { Log } from "../shared/log.ts";
import { getLinkPath } from "../shared/short-path.ts";
import { WireListeners } from "../shared/wire-listeners.ts";
import { waitForLog } from "./daemon-log.ts";
import type { Enclosure } from "./enclosure.ts";
import { describeLimits, findConfinement } from "./limits/confinement.ts";
import { PlainEnclosure } from "./plain-enclosure.ts";
import { probeSandbox } from "./probe.ts";
import { listProcesses, isAlive, signalProcess, waitForExit, type Process, type ProcessIdentity } from "./processes.ts";
import { findOnPath } from "./programs.ts";
import { emptyTrash, removeTree } from "./remove-tree.ts";
import { isRunnerId, RunnerFolder, type LaunchRecord } from "./runner-folder.ts";
import { SandboxEnclosure } from "./sandbox-enclosure.ts";
import { measureUsage } from "./usage.ts";

export interface LocalBackendOptions extends DaemonSettings {
  /** Contains a folder for each runner. */
  readonly folder: string;
  /** Contains `bin` and `lib` with the bundles of the daemon and the agents. */
  readonly kit: string;
  /** Names the Node program that runs them. */
  readonly node: string;
  /**
   * Whether the owner lets plain processes use real keys. Other code gives out the keys; this
   * backend only logs the setting.
   */
  readonly allowUnsafe: boolean;
  /** Lists the folders with this machine's programs, as in PATH. */
  readonly searchPath: string;
  readonly log?: Log;
}

/** A waiting dial checks this often whether its daemon still exists. */
const livenessCheckIntervalMs = 500;
/** Runners that are measured within this time share one list of all processes. */
const maxSnapshotAgeMs = 250;

/**
 * Hosts runners on this machine. A runner's folder and its processes hold all that is known of it:
 *
 * - absent: there is no folder. `create` creates it.
 * - running: the daemon is alive. `run.json` identifies its process, checked against the process's
 *   start time; if the server died before it wrote that file, the backend finds the daemon among
 *   all processes. `create` and `start` leave a recorded runner as it is.
 * - stopped: the folder exists and no daemon lives, because of `stop`, or because the daemon or the
 *   machine died. The backend ends the runner's remaining processes before it starts another daemon
 *   on the same state. `destroy` leads back to absent, from every state.
 *
 * Changes to the same runner happen one at a time; the caller makes sure that no other server uses
 * the folder.
 */
export async function createLocalBackend(options: LocalBackendOptions): Promise<Backend> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const foundation = await probeSandbox(options);
  const plain = new PlainEnclosure(options);
  const limits = describeLimits("reason" in foundation ? new Set() : foundation.confinement.enforced);
  if ("reason" in foundation) {
    options.log?.warn(
      {
        reason: foundation.reason,
        keys: options.allowUnsafe ? "given" : "withheld",
        limits,
      },
      "sandboxes are not available here: runners are plain processes and see what the server's user sees",
    );
    return Object.assign(new LocalBackend(options, plain, [plain]), {
      isolationReason: foundation.reason,
      limits,
    });
  }
  const sandbox = new SandboxEnclosure(foundation, options);
  options.log?.info(
    {
      limits,
      system_calls: foundation.filter === undefined ? "unfiltered" : "filtered",
      user_namespaces: foundation.extraFlags.length > 0 ? "disabled" : "possible",
    },
    "runners are sandboxes",
  );
  return Object.assign(new LocalBackend(options, sandbox, [sandbox, plain]), { limits });
}

/**
 * Opens the runners that a server left, to find and stop them. No sandbox is probed and no file is
 * written first, so that this works on a full disk.
 */
export async function openLeftoverRunners(options: Omit<LocalBackendOptions, "allowUnsafe">): Promise<Backend> {
  const plain = new PlainEnclosure(options);
  const bwrap = findOnPath("bwrap", options.searchPath);
  const enclosures: Enclosure[] = [plain];
  if (bwrap !== undefined) {
    const confinement = await findConfinement(bwrap, options.searchPath);
    const foundation = { bwrap, kit: options.kit, node: options.node, invented: [], extraFlags: [], confinement };
    enclosures.unshift(new SandboxEnclosure(foundation, options));
  }
  return new LocalBackend({ ...options, allowUnsafe: true }, plain, enclosures);
}

/**
 * Creates the runners of the mock backend: never in a sandbox, with daemons that listen
 * (`dialDaemon`) and accept no other connection.
 */
export async function createPlainBackend(
  options: Omit<LocalBackendOptions, "allowUnsafe">,
): Promise<Omit<Backend, "dial">> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const plain = new PlainEnclosure({ ...options, daemonListens: true });
  return new LocalBackend({ ...options, allowUnsafe: false }, plain, [plain]);
}

class LocalBackend implements Backend {
  readonly name = "local";
  readonly can: Backend["can"];
  readonly #options: LocalBackendOptions;
  /** New runners use this enclosure. */
  readonly #enclosure: Enclosure;
  /** Older runners may use any of these enclosures. */
  readonly #enclosures: readonly Enclosure[];
  readonly #locks = new KeyedLock();
  readonly #listeners = new WireListeners();
  readonly #sweep: Promise<void>;
  #snapshot: { readonly at: number; readonly processes: Promise<Process[]> } | undefined;

  constructor(options: LocalBackendOptions, enclosure: Enclosure, enclosures: readonly Enclosure[]) {
    this.#options = options;
    this.#enclosure = enclosure;
    this.#enclosures = enclosures;
    this.can = { snapshot: false, isolation: enclosure.isolation, packages: "volume" };
    this.#sweep = emptyTrash(options.folder).catch((error: unknown) => {
      options.log?.warn({ err: error }, "could not remove the remaining files of destroyed runners");
    });
  }

  async create(spec: RunnerSpec, signal?: AbortSignal): Promise<void> {
    const folder = this.#getFolder(spec.id);
    await this.#locks.run(spec.id, async () => {
      signal?.throwIfAborted();
      const isNew = await folder.prepare();
      await this.#ensureRunning(spec, folder, { isNew, ...(signal && { signal }) });
    });
  }

  async start(spec: RunnerSpec, signal?: AbortSignal): Promise<void> {
    await this.#locks.run(spec.id, async () => {
      const folder = await this.#getExistingFolder(spec.id);
      signal?.throwIfAborted();
      await folder.prepare();
      await this.#ensureRunning(spec, folder, { isNew: false, ...(signal && { signal }) });
    });
  }

  async stop(id: string): Promise<void> {
    const folder = await this.#getExistingFolder(id);
    await this.#locks.run(id, async () => {
      const launched = await this.#findLaunch(folder);
      // Collect the members now: after the daemon's end, nothing may show that they belong to the
      // runner.
      const members = launched === undefined ? [] : this.#getMembers(folder, launched, await listProcesses());
      if (launched !== undefined) {
        await signalProcess(launched.daemon, "SIGTERM");
        await waitForExit(launched.daemon, this.#options.stopGraceMs ?? defaultStopGraceMs);
        // A full or read-only disk cannot store the usage, but the processes must end anyway.
        await measureUsage(folder, launched, this.#getMembers(folder, launched, await listProcesses())).catch(
          (error: unknown) => this.#options.log?.warn({ err: error, runner_id: id }, "could not save a runner's usage"),
        );
      }
      await this.#endProcesses(folder, members);
      await this.#listeners.close(
        id,
        new WharfError("runner_unavailable", { runner_id: id, reason: "it was stopped" }),
      );
    });
  }

  async destroy(id: string): Promise<void> {
    const folder = this.#getFolder(id);
    await this.#locks.run(id, async () => {
      const destroyedError = new WharfError("runner_lost", { runner_id: id, reason: "it was destroyed" });
      await this.#listeners.close(id, destroyedError);
      if (await folder.exists()) {
        await this.#endProcesses(folder);
        await removeTree(folder.path);
      }
      await rm(getLinkPath(folder.wire), { force: true });
      // A dial may have opened the listener again while the folder still existed.
      await this.#listeners.close(id, destroyedError);
    });
  }

  async dial(id: string, signal?: AbortSignal): Promise<Duplex> {
    const folder = await this.#getExistingFolder(id);
    const listener = await this.#listeners.getOrOpen(folder.id, folder.wire);
    const livenessController = new AbortController();
    const check = setInterval(() => {
      if (this.#locks.isHeld(id)) return;
      this.#requireRunning(folder).catch((error: unknown) => livenessController.abort(error));
    }, livenessCheckIntervalMs);
    try {
      return await listener.accept(AbortSignal.any([livenessController.signal, ...(signal ? [signal] : [])]));
    } finally {
      clearInterval(check);
    }
  }

  async getUsage(id: string): Promise<RunnerUsage> {
    const folder = await this.#getExistingFolder(id);
    const launched = await this.#findLaunch(folder);
    if (launched === undefined) return measureUsage(folder, undefined, []);
    return measureUsage(folder, launched, this.#getMembers(folder, launched, await this.#getRecentProcesses()));
  }

  async *list(): AsyncIterable<ObservedRunner> {
    const names = await readdir(this.#options.folder);
    // A volume mounted here contains a `lost+found`.
    for (const id of names.filter(isRunnerId)) {
      const folder = this.#getFolder(id);
      if (!(await folder.exists())) continue;
      // A launch that was cut off may have left processes that only `stop` finds.
      const isRunning = (await this.#findLaunch(folder)) !== undefined || (await folder.isLaunchOpen());
      yield { id, state: isRunning ? "running" : "stopped" };
    }
  }

  async getMissingReason(program: string): Promise<string | undefined> {
    return this.#enclosure.getMissingReason(program);
  }

  async close(): Promise<void> {
    await this.#listeners.closeAll();
    await this.#sweep;
  }

  async #ensureRunning(
    spec: RunnerSpec,
    folder: RunnerFolder,
    options: { isNew: boolean; signal?: AbortSignal },
  ): Promise<void> {
    // Open the listener before the daemon starts, so that the daemon's first try succeeds.
    const listener = await this.#listeners.getOrOpen(folder.id, folder.wire);
    if (!options.isNew) {
      if ((await this.#getLiveRecord(folder)) !== undefined) return;
      // A daemon without a record may lack its configuration, and no server can have used it.
      await this.#endProcesses(folder);
    }
    listener.dropPending();
    await folder.announceLaunch();
    try {
      await folder.writeLaunchRecord(await this.#enclosure.launch(spec, folder, options.signal));
    } catch (error) {
      await this.#endProcesses(folder);
      throw error;
    }
  }

  async #getLiveRecord(folder: RunnerFolder): Promise<LaunchRecord | undefined> {
    const recorded = await folder.readLaunchRecord();
    return recorded !== undefined && (await isAlive(recorded.daemon)) ? recorded : undefined;
  }

  /** Returns the runner's processes if its daemon lives, even without a record of it. */
  async #findLaunch(folder: RunnerFolder): Promise<LaunchRecord | undefined> {
    const recorded = await this.#getLiveRecord(folder);
    if (recorded !== undefined || !(await folder.isLaunchOpen())) return recorded;
    for (const enclosure of this.#enclosures) {
      const launch = await enclosure.find(folder);
      if (launch !== undefined) return launch;
    }
    return undefined;
  }

  /** Ends all processes of the runner, in every enclosure. */
  async #endProcesses(folder: RunnerFolder, named: readonly ProcessIdentity[] = []): Promise<void> {
    const recorded = await folder.readLaunchRecord();
    for (const enclosure of this.#enclosures) {
      await enclosure.terminate(folder, recorded?.isolation === enclosure.isolation ? recorded : undefined, named);
    }
    await waitForLog(folder.log);
    await folder.removeLaunchRecord();
  }

  #getMembers(folder: RunnerFolder, launched: LaunchRecord, processes: readonly Process[]): Process[] {
    const enclosure = this.#enclosures.find((one) => one.isolation === launched.isolation);
    return enclosure?.getMembers(folder, launched, processes) ?? [];
  }

  #getRecentProcesses(): Promise<Process[]> {
    const now = performance.now();
    if (this.#snapshot === undefined || now - this.#snapshot.at > maxSnapshotAgeMs) {
      this.#snapshot = { at: now, processes: listProcesses() };
    }
    return this.#snapshot.processes;
  }

  async #requireRunning(folder: RunnerFolder): Promise<void> {
    if ((await this.#findLaunch(folder)) !== undefined) return;
    const output = await folder.readLogTail();
    throw new WharfError("runner_unavailable", {
      runner_id: folder.id,
      reason: `its daemon is not running${output && `; its last output: ${output}`}`,
    });
  }

  #getFolder(id: string): RunnerFolder {
    return new RunnerFolder(this.#options.folder, id);
  }

  async #getExistingFolder(id: string): Promise<RunnerFolder> {
    const folder = this.#getFolder(id);
    if (await folder.exists()) return folder;
    throw new WharfError("runner_lost", { runner_id: id, reason: "its folder is missing" });
  }
}
