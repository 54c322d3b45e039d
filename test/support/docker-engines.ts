import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "./eventually.ts";
import { killProcess } from "./processes.ts";

/** Runs Docker's own command against an engine. */
export const createDockerCli =
  (host: string) =>
  (...args: string[]): string =>
    execFileSync("docker", ["--host", host, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 64 * 1024 * 1024,
    }).trim();

/** An engine that appears to be on another machine: its unix socket is behind a port. */
export class RemoteEngine implements AsyncDisposable {
  readonly address: string;
  readonly #close: () => Promise<void>;

  private constructor(address: string, close: () => Promise<void>) {
    this.address = address;
    this.#close = close;
  }

  static async open(host: string): Promise<RemoteEngine> {
    const path = host.replace(/^unix:\/\//, "");
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = connect(path);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(one);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : 0;
    return new RemoteEngine(`tcp://127.0.0.1:${port}`, async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

/**
 * All processes of the engine's containers are in groups below this one, and no other processes
 * are.
 */
const cgroup = `/wharf-test-docker-${process.pid}`;

/**
 * A separate engine, which its test may kill. The engine does not touch the machine's network.
 * Depending on its settings, it leaves its containers running when it dies, or stops them when it
 * is back.
 */
export class SeparateEngine implements AsyncDisposable {
  readonly address: string;
  readonly #folder: string;
  readonly #arguments: readonly string[];
  #dockerd: ChildProcess | undefined;

  constructor(folder: string, options: { liveRestore: boolean }) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    this.address = `unix://${this.#at("d.sock")}`;
    const places = { "data-root": "root", "exec-root": "exec", pidfile: "pid" };
    this.#arguments = [
      ...Object.entries(places).flatMap(([name, file]) => [`--${name}`, this.#at(file)]),
      "--host",
      this.address,
      "--bridge=none",
      "--iptables=false",
      "--ip6tables=false",
      `--cgroup-parent=${cgroup}`,
      ...(options.liveRestore ? ["--live-restore"] : []),
    ];
  }

  async start(): Promise<void> {
    // Remove the files of a killed engine: another process may have its containerd's pid by now.
    for (const name of ["pid", "d.sock", "exec/containerd/containerd.pid"]) rmSync(this.#at(name), { force: true });
    const log = openSync(this.#at("log"), "a");
    this.#dockerd = spawn("dockerd", this.#arguments, { stdio: ["ignore", log, log] });
    closeSync(log);
    const deadline = Date.now() + 60_000;
    while (!this.#answers()) {
      if (Date.now() > deadline || this.#dockerd.exitCode !== null)
        throw new Error(`dockerd did not start:\n${readFileSync(this.#at("log"), "utf8").slice(-3_000)}`);
      await sleep(100);
    }
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
    // The engine's helper processes end a moment after it.
    await eventually(() => this.#processes("containerd").length, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGTERM");
    for (const pid of this.#processes("containerd-shim")) killProcess(pid);
    const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
    const ours = mounts.map((line) => line.split(" ")[1] ?? "").filter((path) => path.startsWith(`${this.#folder}/`));
    for (const path of ours.toReversed()) execFileSync("umount", ["--lazy", path]);
    this.#endGroups();
  }

  /** Kills the processes of an engine that did not come back, and removes its groups. */
  #endGroups(): void {
    const ours = ["/sys/fs/cgroup", "-depth", "-path", `*${cgroup}*`];
    const files = spawnSync("find", [...ours, "-name", "cgroup.procs"], { encoding: "utf8" }).stdout.split("\n");
    const pids = new Set(files.filter(Boolean).flatMap((file) => readFileSync(file, "utf8").split("\n")));
    for (const pid of pids) {
      if (pid) killProcess(Number(pid));
    }
    spawnSync("find", [...ours, "-type", "d", "-exec", "rmdir", "{}", "+"], { stdio: "ignore" });
  }

  /** Lists the processes of a program that belong to this engine: they name its folder. */
  #processes(program: string): number[] {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    return pids.map(Number).filter((pid) => {
      try {
        const [command = "", ...words] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return (
          basename(command).replace(/-runc-v\d$/, "") === program &&
          words.some((word) => word.startsWith(`${this.#folder}/`))
        );
      } catch {
        return false; // the process has ended
      }
    });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const dockerd = this.#dockerd;
    if (!dockerd || dockerd.exitCode !== null || dockerd.signalCode !== null) return;
    const gone = once(dockerd, "exit");
    dockerd.kill(signal);
    await gone;
  }

  #answers(): boolean {
    try {
      createDockerCli(this.address)("version");
      return true;
    } catch {
      return false;
    }
  }

  #at(name: string): string {
    return join(this.#folder, name);
  }
}
