import { mkdir, readdir, rm } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { defaultStopGraceMs, WharfError } from "@wharf/contract";
import type { Backend, ObservedRunner, RunnerSpec, RunnerUsage } from "../backend.ts";
import type { Enclosure } from "./enclosure.ts";
import { waitForLog } from "./daemon-log.ts";
import type { DaemonSettings } from "../shared/daemon-settings.ts";
import { KeyedLock } from "../shared/keyed-lock.ts";
import type { Log } from "../shared/log.ts";
import { describeLimits } from "./limits/confinement.ts";
import { PlainEnclosure } from "./plain-enclosure.ts";
import { probeSandbox } from "./probe.ts";
import { listProcesses, isAlive, signalProcess, waitForExit, type Process, type ProcessIdentity } from "./processes.ts";
import { emptyTrash, removeTree } from "./remove-tree.ts";
import { isRunnerId, RunnerFolder, type LaunchRecord } from "./runner-folder.ts";
import { SandboxEnclosure } from "./sandbox-enclosure.ts";
import { getLinkPath } from "../shared/short-path.ts";
import { measureUsage } from "./usage.ts";
import { WireListeners } from "../shared/wire-listeners.ts";

export interface LocalBackendOptions extends DaemonSettings {
  /** Holds a folder for each runner. */
  readonly folder: string;
  /** Holds `bin` and `lib` with the bundles of the daemon and the agents. */
  readonly kit: string;
  /** The Node that runs them. */
  readonly node: string;
  /** Whether the owner lets plain processes have real keys. The keys are given out elsewhere; here it is only told of. */
  readonly allowUnsafe: boolean;
  /** Where the programs of this machine are looked for, as in PATH. */
  readonly searchPath: string;
  readonly log?: Log;
}

export type LocalBackend = Backend & {
  /** Why there is no sandbox, where there is none. */
  readonly isolationReason?: string;
  /** One sentence about what a runner is limited to on this machine. */
  readonly limits?: string;
};

/** How often a dial that waits looks whether there is still a daemon to wait for. */
const livenessCheckIntervalMs = 500;
/** All processes are listed once for all runners that are measured within this time. */
const maxSnapshotAgeMs = 250;

/**
 * Runners on this machine. All that is known of one is in its folder and in what runs:
 *
 * - absent: no folder. `create` makes it.
 * - running: the daemon is alive. `run.json` says which process it is, checked against the time it was born; where the server died before
 *   it wrote that file, the daemon is found among all processes. `create` and `start` leave a runner as it is if there is a record of it.
 * - stopped: the folder is there and no daemon lives, because of `stop`, or because the daemon or the machine died. Whatever still runs of
 *   the runner is ended before another daemon is started on the same state. `destroy` leads back to absent, from anywhere.
 *
 * What changes a runner is done one at a time for each; that no other server uses the folder is for the caller to see to.
 */
export async function createLocalBackend(options: LocalBackendOptions): Promise<LocalBackend> {
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
      "no sandbox can be made here: runners are plain processes that see what the server's user sees",
    );
    return Object.assign(new LocalRunners(options, plain, [plain]), {
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
  return Object.assign(new LocalRunners(options, sandbox, [sandbox, plain]), { limits });
}

/** The runners beneath the mock backend: never in a sandbox, with daemons that listen (`dialDaemon`) and can be reached in no other way. */
export async function createPlainBackend(
  options: Omit<LocalBackendOptions, "allowUnsafe">,
): Promise<Omit<Backend, "dial">> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const plain = new PlainEnclosure({ ...options, daemonListens: true });
  return new LocalRunners({ ...options, allowUnsafe: false }, plain, [plain]);
}

class LocalRunners implements Backend {
  readonly name = "local";
  readonly can: Backend["can"];
  readonly #options: LocalBackendOptions;
  /** What new runners are put into. */
  readonly #enclosure: Enclosure;
  /** Also what older ones may be in. */
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
      options.log?.warn({ err: error }, "what is left of destroyed runners could not be removed");
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
      // Named now: the daemon's end may leave them without a trace of whose they are.
      const members = launched === undefined ? [] : this.#getMembers(folder, launched, await listProcesses());
      if (launched !== undefined) {
        await signalProcess(launched.daemon, "SIGTERM");
        await waitForExit(launched.daemon, this.#options.stopGraceMs ?? defaultStopGraceMs);
        // A disk that is full or read-only takes no figures, and must not keep the processes.
        await measureUsage(folder, launched, this.#getMembers(folder, launched, await listProcesses())).catch(
          (error: unknown) =>
            this.#options.log?.warn({ err: error, runner_id: id }, "what a runner used could not be kept"),
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
      // A dial may have opened it again while the folder was still there.
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
    // A volume that is mounted here has a `lost+found`.
    for (const id of names.filter(isRunnerId)) {
      const folder = this.#getFolder(id);
      if (!(await folder.exists())) continue;
      yield { id, state: (await this.#findLaunch(folder)) === undefined ? "stopped" : "running" };
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
    // Before the daemon is there, so that its first try succeeds.
    const listener = await this.#listeners.getOrOpen(folder.id, folder.wire);
    if (!options.isNew) {
      if ((await this.#getLiveRecord(folder)) !== undefined) return;
      // One without a record may never have got its configuration, and nobody can have spoken with it.
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

  /** What runs of the runner, if its daemon lives; also where there is no record of it. */
  async #findLaunch(folder: RunnerFolder): Promise<LaunchRecord | undefined> {
    const recorded = await this.#getLiveRecord(folder);
    if (recorded !== undefined || !(await folder.isLaunchOpen())) return recorded;
    for (const enclosure of this.#enclosures) {
      const launch = await enclosure.find(folder);
      if (launch !== undefined) return launch;
    }
    return undefined;
  }

  /** Ends all that runs of the runner, whatever it was put into. */
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
      reason: `its daemon does not run${output && `; it said: ${output}`}`,
    });
  }

  #getFolder(id: string): RunnerFolder {
    return new RunnerFolder(this.#options.folder, id);
  }

  async #getExistingFolder(id: string): Promise<RunnerFolder> {
    const folder = this.#getFolder(id);
    if (await folder.exists()) return folder;
    throw new WharfError("runner_lost", { runner_id: id, reason: "its folder is not there" });
  }
}
