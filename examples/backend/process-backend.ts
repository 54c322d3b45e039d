import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, constants, mkdir, open, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { uptime } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type DaemonConfig, defaultStopGraceMs, WharfError } from "@wharf/contract";
import type { z } from "zod";
import type { Backend, ObservedRunner, RunnerSpec, RunnerUsage } from "../../packages/server/src/backends/backend.ts";
import { KeyedLock } from "../../packages/server/src/backends/shared/keyed-lock.ts";

export interface ProcessBackendOptions {
  /**
   * Contains one folder per runner. Keep the path short: it contains unix sockets, whose addresses
   * end at 107 bytes.
   */
  readonly folder: string;
  /** Contains `bin` and `lib` with the daemon and Wharf's own agents. */
  readonly kit: string;
}

const pollIntervalMs = 20;
const clockTicksPerSecond = 100;

/**
 * The smallest backend that runs tasks: each runner is a process of this machine, without a
 * sandbox. The backend keeps everything on disk and nothing in memory, so a restarted server finds
 * the same runners.
 */
export class ProcessBackend implements Backend {
  /** A new backend adds its own name to `BackendName` in packages/contract/src/states.ts. */
  readonly name = "local";
  readonly can = { snapshot: false, isolation: "unsafe", packages: "disk" } as const;
  readonly #options: ProcessBackendOptions;
  readonly #lock = new KeyedLock();

  constructor(options: ProcessBackendOptions) {
    this.#options = options;
  }

  async create(spec: RunnerSpec, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { home, state, workspace } = this.#locate(spec.id);
    for (const folder of [home, state, workspace]) await mkdir(folder, { recursive: true });
    await this.start(spec, signal);
  }

  start(spec: RunnerSpec, signal?: AbortSignal): Promise<void> {
    return this.#lock.run(spec.id, async () => {
      signal?.throwIfAborted();
      if ((await this.#findDaemon(spec.id)) === undefined) await this.#launch(spec);
    });
  }

  async dial(id: string, signal?: AbortSignal): Promise<Socket> {
    const { socket } = this.#locate(id);
    for (;;) {
      signal?.throwIfAborted();
      if ((await this.#findDaemon(id)) === undefined)
        throw new WharfError("runner_unavailable", { runner_id: id, reason: "its daemon is not running" });
      const wire = connect(socket);
      const isConnected = await once(wire, "connect").then(
        () => true,
        () => false, // the daemon is still starting
      );
      if (isConnected) return wire;
      await sleep(pollIntervalMs);
    }
  }

  stop(id: string): Promise<void> {
    return this.#lock.run(id, async () => {
      const pid = await this.#findDaemon(id);
      if (pid === undefined) return;
      signalProcess(pid, "SIGTERM");
      const deadline = performance.now() + defaultStopGraceMs;
      while ((await this.#findDaemon(id)) !== undefined) {
        if (performance.now() > deadline) signalProcess(-pid, "SIGKILL");
        await sleep(pollIntervalMs);
      }
    });
  }

  async destroy(id: string): Promise<void> {
    const { root } = this.#locate(id);
    if (await exists(root)) await this.stop(id);
    await rm(root, { recursive: true, force: true });
  }

  /**
   * Counts the daemon since its last start. A real backend counts every process, and keeps the sum
   * across starts.
   */
  async getUsage(id: string): Promise<RunnerUsage> {
    const pid = await this.#findDaemon(id);
    if (pid === undefined) return { cpuSeconds: 0, memoryBytes: 0, memoryPeakBytes: 0 };
    const [stats, status] = await Promise.all([
      readFile(`/proc/${pid}/stat`, "utf8"),
      readFile(`/proc/${pid}/status`, "utf8"),
    ]);
    const fields = stats.slice(stats.lastIndexOf(")") + 2).split(" ");
    const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
    const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / clockTicksPerSecond;
    const startedSeconds = Number(fields[19]) / clockTicksPerSecond;
    return {
      cpuSeconds,
      memoryBytes: kilobytes("VmRSS") * 1024,
      memoryPeakBytes: kilobytes("VmHWM") * 1024,
      launch: { id: `${pid}@${startedSeconds}`, cpuSeconds, runningSeconds: uptime() - startedSeconds },
    };
  }

  async *list(): AsyncGenerator<ObservedRunner> {
    for (const id of await readdir(this.#options.folder).catch(() => [])) {
      const pid = await this.#findDaemon(id).catch(() => undefined);
      yield { id, state: pid === undefined ? "stopped" : "running" };
    }
  }

  async getMissingReason(program: string): Promise<string | undefined> {
    for (const folder of this.#searchPath.split(delimiter))
      if (await isExecutable(join(folder, program))) return undefined;
    return `the program '${program}' is not on the PATH`;
  }

  async close(): Promise<void> {}

  get #searchPath(): string {
    return [join(this.#options.kit, "bin"), "/usr/local/bin", "/usr/bin", "/bin"].join(delimiter);
  }

  #locate(id: string) {
    const root = join(this.#options.folder, id);
    const inside = (name: string) => join(root, name);
    return {
      root,
      home: inside("home"),
      log: inside("daemon.log"),
      pid: inside("daemon.pid"),
      socket: inside("wire.sock"),
      state: inside("state"),
      workspace: inside("workspace"),
    };
  }

  /**
   * Returns the daemon's process id while the daemon runs. The working directory distinguishes it
   * from a later process with the same id.
   */
  async #findDaemon(id: string): Promise<number | undefined> {
    const { pid: file, root, workspace } = this.#locate(id);
    if (!(await exists(root))) throw new WharfError("runner_lost", { runner_id: id, reason: "its folder is missing" });
    const pid = Number(await readFile(file, "utf8").catch(() => ""));
    const folder = pid > 0 ? await readlink(`/proc/${pid}/cwd`).catch(() => undefined) : undefined;
    return folder === workspace ? pid : undefined;
  }

  async #launch({ id, wireKey }: RunnerSpec): Promise<void> {
    const { home, log, pid, socket, state, workspace } = this.#locate(id);
    await rm(socket, { force: true });
    await using output = await open(log, "a");
    const daemon = spawn(process.execPath, [join(this.#options.kit, "lib/wharf-daemon.mjs")], {
      cwd: workspace,
      detached: true, // the daemon outlives the server and leads a process group
      env: { PATH: this.#searchPath, HOME: home, LANG: "C.UTF-8" },
      stdio: ["pipe", output.fd, output.fd],
    });
    await once(daemon, "spawn");
    await writeFile(pid, String(daemon.pid));
    const config: z.input<typeof DaemonConfig> = {
      runner_id: id,
      wire_key: wireKey, // goes through a pipe: a key in a file, an argument or a variable can be read
      wire: { by: "listen", path: socket },
      workspace,
      home,
      state,
      isolation: "unsafe",
    };
    daemon.stdin?.on("error", () => undefined); // a daemon that ends at once is reported by `dial`
    daemon.stdin?.end(JSON.stringify(config));
    daemon.unref();
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

/** A process that ended in the meantime needs no signal. */
function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
