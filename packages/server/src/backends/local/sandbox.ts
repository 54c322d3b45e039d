import { readlinkSync, statSync } from "node:fs";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { z } from "zod";
import type { RunnerSpec } from "../backend.ts";
import { keepLog } from "./daemon-log.ts";
import type { Enclosure } from "./enclosure.ts";
import { launch } from "./launch.ts";
import { findRunnerCgroups, removeCgroups } from "./limits/cgroups.ts";
import {
  allPids,
  allProcesses,
  endAll,
  identify,
  readProcFile,
  withDescendants,
  type Process,
  type ProcessIdentity,
} from "./processes.ts";
import { bringPrograms, missingProgram, type ProgramSearch } from "./programs.ts";
import type { Launched, RunnerFolder } from "./runner-folder.ts";
import { type DaemonSettings, getDaemonSettings } from "../shared/daemon-settings.ts";
import { inside } from "../shared/inside.ts";
import { filterDescriptor, sandboxArguments, statusDescriptor, type ConfinedFoundation } from "./sandbox-arguments.ts";
import { socketName } from "../shared/wire-listener.ts";

interface SandboxOptions extends ProgramSearch, DaemonSettings {}

/** Setting up the mounts takes about 20 ms; a machine that swaps may take much longer. */
const startMs = 15_000;

/**
 * A runner in a bubblewrap sandbox consists of three layers of processes: bubblewrap's monitor on the host, which nothing depends on;
 * the init inside (pid 1 there), whose end is the end of everything inside; and the daemon (pid 2 there), started by the init.
 * The daemon may end while others inside go on, so a runner is alive only as long as its daemon is.
 *
 * A sandbox is recognised by what its init has mounted, which nobody inside can change. Command lines tell less, as a process may
 * rewrite its own: they only serve to find sandboxes that are not set up yet, and only to end them.
 *
 * A server that is killed while it starts one may leave a process that is not bubblewrap yet and can't be found. It never becomes a second
 * daemon: the monitor lets the init go on only after it has written to the status pipe, and that write kills it when no server reads.
 */
export class SandboxEnclosure implements Enclosure {
  readonly isolation = "sandbox";
  readonly #foundation: ConfinedFoundation;
  readonly #options: SandboxOptions;

  constructor(foundation: ConfinedFoundation, options: SandboxOptions) {
    this.#foundation = foundation;
    this.#options = options;
  }

  async launch(spec: RunnerSpec, folder: RunnerFolder, signal?: AbortSignal): Promise<Launched> {
    const programs = await bringPrograms(spec.programs, folder.bin, this.#options);
    const bwrapArguments = sandboxArguments(this.#foundation, folder, { spec, programs });
    const { limiter, insidePrefix } = this.#foundation.confinement;
    const command = [
      ...insidePrefix(spec.limits),
      inside.node,
      "--max-semi-space-size=2",
      `${inside.kit}/lib/wharf-daemon.mjs`,
    ];
    using output = await keepLog(folder.log);
    const status = ["--json-status-fd", String(statusDescriptor)];
    const bubblewrap = [this.#foundation.bwrap, ...status, ...bwrapArguments, "--", ...command];
    await rm(folder.cgroup, { force: true });
    const [program = "", ...args] = [...(await limiter.enter(spec.id, spec.limits, folder.cgroup)), ...bubblewrap];
    const monitor = launch(program, args, {
      environment: limiter.environment,
      cwd: "/",
      output: output.input,
      more: this.#foundation.filter === undefined ? ["pipe"] : ["pipe", "pipe"],
      config: {
        runner_id: spec.id,
        wire_key: spec.wireKey,
        wire: { by: "connect", path: `${inside.wire}/${socketName}` },
        workspace: inside.workspace,
        home: inside.home,
        state: inside.state,
        relay_port: 4100,
        isolation: "sandbox",
        ...getDaemonSettings(this.#options),
      },
    });
    giveFilter(monitor, this.#foundation.filter);
    // From now on the sandbox alone can write.
    output[Symbol.dispose]();
    try {
      return await this.#started(monitor, AbortSignal.any([AbortSignal.timeout(startMs), ...(signal ? [signal] : [])]));
    } catch (error) {
      signal?.throwIfAborted();
      const reason = (await folder.lastWords()) || (error instanceof Error ? error.message : String(error));
      throw new WharfError(
        "backend_failed",
        { backend: "local", reason: `the sandbox did not start: ${reason}` },
        { cause: error },
      );
    }
  }

  async find(folder: RunnerFolder): Promise<Launched | undefined> {
    for (const pid of initsOf(folder)) {
      const root = await identify(pid);
      const daemon = await daemonOf(pid);
      if (root !== undefined && daemon !== undefined) return { isolation: "sandbox", root, daemon };
    }
    return undefined;
  }

  async end(folder: RunnerFolder, launched: Launched | undefined): Promise<void> {
    const cgroups = launched === undefined ? [] : findRunnerCgroups(folder.id, launched.root.pid);
    if (launched !== undefined) await endAll([launched.root]);
    // A monitor that is killed while it sets up may leave an init behind, so look again until there is none.
    for (let found = await this.#strays(folder); found.length > 0; found = await this.#strays(folder))
      await endAll(found);
    await removeCgroups(cgroups);
    await this.#foundation.confinement.limiter.leave(folder.id);
  }

  members(_folder: RunnerFolder, launched: Launched, processes: readonly Process[]): Process[] {
    return withDescendants(
      processes.filter((one) => one.pid === launched.root.pid),
      processes,
    );
  }

  async missing(program: string): Promise<string | undefined> {
    return missingProgram(program, this.#options);
  }

  async #started(monitor: ChildProcess, signal: AbortSignal): Promise<Launched> {
    const ended = new AbortController();
    monitor.once("error", (error) => ended.abort(error));
    monitor.once("exit", (code, by) => ended.abort(new Error(`bubblewrap ended with ${code ?? by}`)));
    const either = AbortSignal.any([signal, ended.signal]);
    const init = await childPid(monitor, either);
    for (;;) {
      either.throwIfAborted();
      const [root, daemon] = await Promise.all([identify(init), daemonOf(init)]);
      if (root !== undefined && daemon !== undefined) return { isolation: "sandbox", root, daemon };
      await sleep(2, undefined, { signal: either });
    }
  }

  async #strays(folder: RunnerFolder): Promise<ProcessIdentity[]> {
    const pids = [...initsOf(folder), ...this.#settingUp(folder)];
    return (await Promise.all(pids.map(identify))).filter((found) => found !== undefined);
  }

  /** Monitors on the host, and inits that have not mounted anything yet. */
  #settingUp(folder: RunnerFolder): number[] {
    return allPids().filter((pid) => {
      const line = readProcFile(pid, "cmdline")?.split("\0") ?? [];
      if (line[0] !== this.#foundation.bwrap || !line.includes(folder.state)) return false;
      const places = namespacePids(pid);
      return places.length === 1 || places.at(-1) === 1;
    });
  }
}

/** The inits of sandboxes that have this runner's state mounted. */
function initsOf(folder: RunnerFolder): number[] {
  const state = statSync(folder.state, { throwIfNoEntry: false });
  if (state === undefined) return [];
  return allPids().filter((pid) => {
    if (namespacePids(pid).at(-1) !== 1) return false;
    try {
      const mounted = statSync(`/proc/${pid}/root${inside.state}`);
      return mounted.dev === state.dev && mounted.ino === state.ino;
    } catch {
      return false; // another one's sandbox, or gone
    }
  });
}

/** The process's pid in every namespace it is in, from ours to its own. */
function namespacePids(pid: number): number[] {
  const line = /^NSpid:\s+(.+)$/m.exec(readProcFile(pid, "status") ?? "")?.[1] ?? "";
  return line.split(/\s+/).map(Number);
}

async function daemonOf(init: number): Promise<ProcessIdentity | undefined> {
  const children =
    readProcFile(init, `task/${init}/children`)?.trim().split(" ").map(Number) ??
    (await allProcesses()).filter((one) => one.parent === init).map((one) => one.pid);
  const daemon = children.find((pid) => namespacePids(pid).at(-1) === 2);
  const [ours, bubblewrap] = [daemon === undefined ? undefined : executableOf(daemon), executableOf(init)];
  // Until it runs our program it is still bubblewrap, and may yet fail.
  const runs = daemon !== undefined && ours !== undefined && bubblewrap !== undefined && ours !== bubblewrap;
  return runs ? identify(daemon) : undefined;
}

function executableOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}

/** Hands bubblewrap the filter. It reads up to the end before it starts anything, so a server that dies here starts nothing. */
export function giveFilter(monitor: ChildProcess, filter: Buffer | undefined): void {
  if (filter === undefined) return;
  const pipe = monitor.stdio[filterDescriptor];
  if (pipe === null || pipe === undefined || !("writable" in pipe)) throw new Error("bubblewrap has no filter pipe");
  // A bubblewrap that ends before it has read shows by its end.
  pipe.on("error", () => undefined);
  pipe.end(filter);
}

const Status = z.object({ "child-pid": z.number().int().positive() });

/** bubblewrap's own word for which process is the init. */
async function childPid(monitor: ChildProcess, signal: AbortSignal): Promise<number> {
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
