import { closeSync, constants, openSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { WharfError } from "@wharf/contract";
import type { RunnerSpec } from "../backend.ts";
import { type DaemonSettings, getDaemonSettings } from "../shared/daemon-settings.ts";
import { getShortPath } from "../shared/short-path.ts";
import { socketName } from "../shared/wire-listener.ts";
import { startLogWriter } from "./daemon-log.ts";
import type { Enclosure } from "./enclosure.ts";
import { launchProgram } from "./launch.ts";
import {
  listProcesses,
  killAll,
  getProcessIdentity,
  readProcFile,
  getProcessTrees,
  type Process,
  type ProcessIdentity,
} from "./processes.ts";
import { findOnPath } from "./programs.ts";
import type { LaunchRecord, RunnerFolder } from "./runner-folder.ts";

/** Processes that start others faster than Wharf kills them get this many rounds. */
const maxKillRounds = 50;
const runnerIdVariable = "WHARF_RUNNER_ID";

/** A daemon that does not connect listens on this socket, in the folder of its wire. */
export const daemonSocketName = "daemon.sock";

export interface PlainOptions extends DaemonSettings {
  readonly kit: string;
  readonly node: string;
  readonly searchPath: string;
  /** Whether daemons listen for the server, instead of connecting to it. */
  readonly daemonListens?: boolean;
}

/**
 * Hosts runners without any sandbox: the process can do what the server's user can do. The runner's
 * processes are the daemon's tree, its session, and (where the system shows it) every process with
 * the runner's id or home in its environment: the daemon's children have only the home.
 */
export class PlainEnclosure implements Enclosure {
  readonly isolation = "unsafe";
  readonly #options: PlainOptions;

  constructor(options: PlainOptions) {
    this.#options = options;
  }

  async launch(spec: RunnerSpec, folder: RunnerFolder): Promise<LaunchRecord> {
    const { kit, node, searchPath, daemonListens = false } = this.#options;
    const wireFolder = openSync(folder.wire, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      using output = await startLogWriter(folder.log);
      const daemon = launchProgram(node, ["--max-semi-space-size=2", join(kit, "lib", "wharf-daemon.mjs")], {
        environment: {
          PATH: [join(kit, "bin"), dirname(node), searchPath].join(delimiter),
          HOME: folder.home,
          LANG: "C.UTF-8",
          [runnerIdVariable]: spec.id,
        },
        cwd: folder.workspace,
        output: output.input,
        // The daemon reaches the socket through this folder if the full path would be too long.
        extraDescriptors: [wireFolder],
        config: {
          runner_id: spec.id,
          wire_key: spec.wireKey,
          wire: daemonListens
            ? { by: "listen", path: await getShortPath(folder.wire, daemonSocketName, 3) }
            : { by: "connect", path: await getShortPath(folder.wire, socketName, 3) },
          workspace: folder.workspace,
          home: folder.home,
          state: folder.state,
          relay_port: 4100,
          isolation: "unsafe",
          serves_names: false,
          ...getDaemonSettings(this.#options),
        },
      });
      output[Symbol.dispose]();
      const failed = new Promise<Error>((resolve) => daemon.once("error", resolve));
      const identity = daemon.pid === undefined ? undefined : await getProcessIdentity(daemon.pid);
      if (identity !== undefined) return { isolation: "unsafe", root: identity, daemon: identity };
      const reason = daemon.pid === undefined ? (await failed).message : await folder.readLogTail();
      throw new WharfError("backend_failed", {
        backend: "local",
        reason: `the daemon did not start: ${reason}`,
      });
    } finally {
      closeSync(wireFolder);
    }
  }

  async find(folder: RunnerFolder): Promise<LaunchRecord | undefined> {
    const processes = await listProcesses();
    // The daemon leads the session in which it was started; the agent's processes may lead one as
    // well but run another program.
    const daemon = processes.find(
      (one) =>
        !one.dead &&
        one.session === one.pid &&
        hasMarker(one.pid, folder.id) &&
        isDaemonProcess(one.pid, this.#options.kit),
    );
    return daemon && { isolation: "unsafe", root: daemon, daemon };
  }

  async terminate(
    folder: RunnerFolder,
    launched: LaunchRecord | undefined,
    named: readonly ProcessIdentity[],
  ): Promise<void> {
    await killAll(named);
    for (let round = 0; round < maxKillRounds; round += 1) {
      const members = this.getMembers(folder, launched, await listProcesses());
      if (members.length === 0) return;
      await killAll(members);
    }
    throw new WharfError("backend_failed", {
      backend: "local",
      reason: `processes of runner ${folder.id} did not end`,
    });
  }

  getMembers(folder: RunnerFolder, launched: LaunchRecord | undefined, processes: readonly Process[]): Process[] {
    // A session keeps its number while it has members, so only a process with that pid can show
    // that the number now belongs to another session.
    const isOthers = processes.some((one) => one.pid === launched?.root.pid && one.born !== launched.root.born);
    const session = isOthers ? undefined : launched?.root.pid;
    const roots = processes.filter((one) => one.session === session || isRunnerProcess(one.pid, folder));
    return getProcessTrees(roots, processes).filter((one) => !one.dead && one.pid !== process.pid);
  }

  async getMissingReason(program: string): Promise<string | undefined> {
    const { kit, node, searchPath } = this.#options;
    const executable = findOnPath(program, [join(kit, "bin"), dirname(node), searchPath].join(delimiter));
    return executable === undefined ? `the program '${program}' is not on the PATH` : undefined;
  }
}

const hasMarker = (pid: number, id: string): boolean =>
  readProcFile(pid, "environ")?.split("\0").includes(`${runnerIdVariable}=${id}`) ?? false;

function isRunnerProcess(pid: number, { id, home }: RunnerFolder): boolean {
  const environment = readProcFile(pid, "environ")?.split("\0");
  return environment?.some((entry) => entry === `${runnerIdVariable}=${id}` || entry === `HOME=${home}`) ?? false;
}

const isDaemonProcess = (pid: number, kit: string): boolean =>
  readProcFile(pid, "cmdline")
    ?.split("\0")
    .includes(join(kit, "lib", "wharf-daemon.mjs")) ?? false;
