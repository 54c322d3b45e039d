import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readlinkSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { z } from "zod";
import { getErrorMessage } from "../../std/errors.ts";
import type { RunnerSpec } from "../backend.ts";
import { containerPaths } from "../shared/container-paths.ts";
import { type DaemonSettings, getDaemonSettings } from "../shared/daemon-settings.ts";
import { socketName } from "../shared/wire-listener.ts";
import { startLogWriter } from "./daemon-log.ts";
import type { Enclosure } from "./enclosure.ts";
import { launchProgram } from "./launch.ts";
import { findRunnerCgroups, removeCgroups } from "./limits/cgroups.ts";
import {
  listPids,
  listProcesses,
  killAll,
  getProcessIdentity,
  readProcFile,
  getProcessTrees,
  type Process,
  type ProcessIdentity,
} from "./processes.ts";
import { linkPrograms, getMissingProgramReason, type ProgramSearch } from "./programs.ts";
import type { LaunchRecord, RunnerFolder } from "./runner-folder.ts";
import {
  createBubblewrapCommand,
  filterDescriptor,
  createSandboxArguments,
  statusDescriptor,
  type ConfinedFoundation,
} from "./sandbox-arguments.ts";

interface SandboxOptions extends ProgramSearch, DaemonSettings {}

/** Setting up the mounts takes about 20 ms; a machine that swaps may take much longer. */
const startTimeoutMs = 15_000;

/**
 * A runner in a bubblewrap sandbox consists of three layers of processes: bubblewrap's monitor on
 * the host, which nothing depends on; the init inside (pid 1 there), whose end ends everything
 * inside; and the daemon (pid 2 there), started by the init. Other processes inside may survive the
 * daemon, so a runner is alive only as long as its daemon is.
 *
 * The enclosure recognises a sandbox by the init's mounts, which no process inside can change.
 * Command lines prove less, because a process may rewrite its own: they only serve to find
 * sandboxes that are not set up yet, and only to end them.
 *
 * A server that is killed during a start may leave a process that is not bubblewrap yet and cannot
 * be found. That process never becomes a second daemon: the monitor lets the init continue only
 * after it has written to the status pipe, and that write kills it when no server reads.
 */
export class SandboxEnclosure implements Enclosure {
  readonly isolation = "sandbox";
  readonly #foundation: ConfinedFoundation;
  readonly #options: SandboxOptions;

  constructor(foundation: ConfinedFoundation, options: SandboxOptions) {
    this.#foundation = foundation;
    this.#options = options;
  }

  async launch(spec: RunnerSpec, folder: RunnerFolder, signal?: AbortSignal): Promise<LaunchRecord> {
    const programs = await linkPrograms(spec.programs, folder.bin, this.#options);
    const bwrapArguments = createSandboxArguments(this.#foundation, folder, { spec, programs });
    const { limiter, insidePrefix } = this.#foundation.confinement;
    const command = [
      ...insidePrefix(spec.limits),
      containerPaths.node,
      "--max-semi-space-size=2",
      `${containerPaths.kit}/lib/wharf-daemon.mjs`,
    ];
    using output = await startLogWriter(folder.log);
    const status = ["--json-status-fd", String(statusDescriptor)];
    const bubblewrap = createBubblewrapCommand(this.#foundation, [...status, ...bwrapArguments, "--", ...command]);
    await rm(folder.cgroup, { force: true });
    const [program = "", ...args] = [...(await limiter.enter(spec.id, spec.limits, folder.cgroup)), ...bubblewrap];
    const monitor = launchProgram(program, args, {
      environment: limiter.environment,
      cwd: "/",
      output: output.input,
      extraDescriptors: this.#foundation.filter === undefined ? ["pipe"] : ["pipe", "pipe"],
      config: {
        runner_id: spec.id,
        wire_key: spec.wireKey,
        wire: { by: "connect", path: `${containerPaths.wire}/${socketName}` },
        workspace: containerPaths.workspace,
        home: containerPaths.home,
        state: containerPaths.state,
        relay_port: 4100,
        isolation: "sandbox",
        serves_names: this.#foundation.networkPreparation !== undefined,
        ...getDaemonSettings(this.#options),
      },
    });
    sendFilter(monitor, this.#foundation.filter);
    // From now on only the sandbox can write.
    output[Symbol.dispose]();
    try {
      return await this.#waitForStart(
        monitor,
        AbortSignal.any([AbortSignal.timeout(startTimeoutMs), ...(signal ? [signal] : [])]),
      );
    } catch (error) {
      await killMonitor(monitor);
      signal?.throwIfAborted();
      const reason = (await folder.readLogTail()) || getErrorMessage(error);
      throw new WharfError(
        "backend_failed",
        { backend: "local", reason: `the sandbox did not start: ${reason}` },
        { cause: error },
      );
    }
  }

  async find(folder: RunnerFolder): Promise<LaunchRecord | undefined> {
    for (const pid of findInits(folder)) {
      const root = await getProcessIdentity(pid);
      const daemon = await findDaemon(pid);
      if (root !== undefined && daemon !== undefined) return { isolation: "sandbox", root, daemon };
    }
    return undefined;
  }

  async terminate(folder: RunnerFolder, launched: LaunchRecord | undefined): Promise<void> {
    const cgroups = launched === undefined ? [] : findRunnerCgroups(folder.id, launched.root.pid);
    if (launched !== undefined) await killAll([launched.root]);
    // A monitor killed during its setup may leave an init behind, so search again until there is
    // none.
    for (let strays = await this.#findStrays(folder); strays.length > 0; strays = await this.#findStrays(folder))
      await killAll(strays);
    await removeCgroups(cgroups);
    await this.#foundation.confinement.limiter.release(folder.id);
  }

  getMembers(_folder: RunnerFolder, launched: LaunchRecord, processes: readonly Process[]): Process[] {
    return getProcessTrees(
      processes.filter((one) => one.pid === launched.root.pid),
      processes,
    );
  }

  async getMissingReason(program: string): Promise<string | undefined> {
    return getMissingProgramReason(program, this.#options);
  }

  async #waitForStart(monitor: ChildProcess, signal: AbortSignal): Promise<LaunchRecord> {
    const ended = new AbortController();
    monitor.once("error", (error) => ended.abort(error));
    monitor.once("exit", (code, exitSignal) => ended.abort(new Error(`bubblewrap ended with ${code ?? exitSignal}`)));
    const either = AbortSignal.any([signal, ended.signal]);
    const init = await readInitPid(monitor, either);
    for (;;) {
      either.throwIfAborted();
      const [root, daemon] = await Promise.all([getProcessIdentity(init), findDaemon(init)]);
      if (root !== undefined && daemon !== undefined) return { isolation: "sandbox", root, daemon };
      await sleep(2, undefined, { signal: either });
    }
  }

  async #findStrays(folder: RunnerFolder): Promise<ProcessIdentity[]> {
    const pids = [...findInits(folder), ...this.#findStartingPids(folder)];
    return (await Promise.all(pids.map(getProcessIdentity))).filter((identity) => identity !== undefined);
  }

  /** Finds monitors on the host, and inits that have not mounted anything yet. */
  #findStartingPids(folder: RunnerFolder): number[] {
    return listPids().filter((pid) => {
      const line = readProcFile(pid, "cmdline")?.split("\0") ?? [];
      if (line[0] !== this.#foundation.bwrap || !line.includes(folder.state)) return false;
      const places = getNamespacePids(pid);
      return places.length === 1 || places.at(-1) === 1;
    });
  }
}

/** Finds the inits of sandboxes that have this runner's state mounted. */
function findInits(folder: RunnerFolder): number[] {
  const state = statSync(folder.state, { throwIfNoEntry: false });
  if (state === undefined) return [];
  return listPids().filter((pid) => {
    if (getNamespacePids(pid).at(-1) !== 1) return false;
    try {
      const mounted = statSync(`/proc/${pid}/root${containerPaths.state}`);
      return mounted.dev === state.dev && mounted.ino === state.ino;
    } catch {
      return false; // another runner's sandbox, or gone
    }
  });
}

/** Returns the process's pid in every namespace that contains it, from ours to its own. */
function getNamespacePids(pid: number): number[] {
  const line = /^NSpid:\s+(.+)$/m.exec(readProcFile(pid, "status") ?? "")?.[1] ?? "";
  return line.split(/\s+/).map(Number);
}

async function findDaemon(init: number): Promise<ProcessIdentity | undefined> {
  const children =
    readProcFile(init, `task/${init}/children`)?.trim().split(" ").map(Number) ??
    (await listProcesses()).filter((one) => one.parent === init).map((one) => one.pid);
  const daemon = children.find((pid) => getNamespacePids(pid).at(-1) === 2);
  const [daemonExecutable, bubblewrap] = [
    daemon === undefined ? undefined : getExecutable(daemon),
    getExecutable(init),
  ];
  // Until the process runs our program it is still bubblewrap, and may yet fail.
  const runs =
    daemon !== undefined &&
    daemonExecutable !== undefined &&
    bubblewrap !== undefined &&
    daemonExecutable !== bubblewrap;
  return runs ? getProcessIdentity(daemon) : undefined;
}

function getExecutable(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}

/**
 * Passes the filter to bubblewrap, which reads to the end before it starts anything: if the server
 * dies here, nothing starts.
 */
export function sendFilter(monitor: ChildProcess, filter: Buffer | undefined): void {
  if (filter === undefined) return;
  const pipe = monitor.stdio[filterDescriptor];
  if (pipe === null || pipe === undefined || !("writable" in pipe)) throw new Error("bubblewrap has no filter pipe");
  // If bubblewrap ends before it has read the filter, its exit reports the failure.
  pipe.on("error", () => undefined);
  pipe.end(filter);
}

/**
 * Kills the process that was started, which may not be bubblewrap yet. Otherwise it would create an
 * init after the search for inits has ended, and that init would wait for it forever.
 */
async function killMonitor({ pid, exitCode, signalCode }: ChildProcess): Promise<void> {
  const isRunning = pid !== undefined && exitCode === null && signalCode === null;
  const identity = isRunning ? await getProcessIdentity(pid) : undefined;
  if (identity !== undefined) await killAll([identity]);
}

const Status = z.object({ "child-pid": z.number().int().positive() });

/** Reads the init's pid from bubblewrap's status pipe. */
async function readInitPid(monitor: ChildProcess, signal: AbortSignal): Promise<number> {
  const pipe = monitor.stdio[statusDescriptor];
  if (pipe === null || pipe === undefined || !("readable" in pipe)) throw new Error("bubblewrap has no status pipe");
  const lines = createInterface({ input: pipe, signal });
  try {
    const [line] = await once(lines, "line", { signal });
    return Status.parse(JSON.parse(String(line)))["child-pid"];
  } finally {
    lines.close();
    pipe.destroy();
  }
}
