import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { isEnforced, type Limits } from "./cgroup-settings.ts";
import { findWritableCgroups } from "./cgroups.ts";
import { controllers, findCgroups, type Controller } from "./hierarchies.ts";
import { unlimited, type Limiter } from "./limiter.ts";
import { findSystemd } from "./systemd.ts";

/**
 * Describes how this machine enforces the runners' limits, and which ones; a probe finds it out.
 */
export interface Confinement {
  readonly limiter: Limiter;
  readonly enforced: ReadonlySet<Controller>;
  /** Returns the arguments to put before the command inside the sandbox. */
  readonly insidePrefix: (limits: Limits) => readonly string[];
}

const probeTimeoutMs = 5000;
const probeLimits: Limits = { cpu: 0.5, memoryBytes: 64 * 2 ** 20, processes: 50 };
const getEmptyPrefix = (): readonly string[] => [];

/**
 * Chooses the best available limiter: systemd's scopes, cgroups that the server may create, or a
 * limit on processes alone.
 */
export async function findConfinement(bwrap: string, searchPath: string): Promise<Confinement> {
  for (const find of [() => findSystemd(searchPath), findWritableCgroups]) {
    const limiter = await find();
    const enforced = limiter === undefined ? new Set<Controller>() : await probeLimiter(limiter);
    if (limiter !== undefined && enforced.size > 0) return { limiter, enforced, insidePrefix: getEmptyPrefix };
  }
  if (!(await canLimitProcesses(bwrap)))
    return { limiter: unlimited, enforced: new Set(), insidePrefix: getEmptyPrefix };
  return {
    limiter: unlimited,
    enforced: new Set(["pids"]),
    insidePrefix: ({ processes }) => getPrlimitPrefix(processes),
  };
}

const names: Readonly<Record<Controller, string>> = { cpu: "CPU", memory: "memory", pids: "processes" };

/** Describes the enforced limits in one sentence. */
export function describeLimits(enforced: ReadonlySet<Controller>): string {
  const [limited, unenforced] = [
    controllers.filter((one) => enforced.has(one)),
    controllers.filter((one) => !enforced.has(one)),
  ];
  const free = [...unenforced.map((one) => names[one]), "disk"];
  const first = limited.length === 0 ? "" : `limited: ${formatList(limited.map((one) => names[one]))}; `;
  return `${first}not limited: ${formatList(free)}`;
}

function formatList(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** Starts a command under the limiter and asks the kernel which limits apply to it. */
async function probeLimiter(limiter: Limiter): Promise<Set<Controller>> {
  const id = `probe-${randomUUID()}`;
  try {
    const [command, ...args] = [...(await limiter.enter(id, probeLimits)), "/bin/sh", "-c", "echo; read end"];
    const child = spawn(command, args, {
      env: limiter.environment,
      stdio: ["pipe", "pipe", "ignore"],
      timeout: probeTimeoutMs,
      killSignal: "SIGKILL",
    });
    await once(child, "spawn");
    const ended = once(child, "close");
    await Promise.race([once(child.stdout, "data"), ended]);
    const cgroups = child.exitCode === null ? findCgroups(child.pid ?? 0) : new Map();
    const matches = [...cgroups].filter(([controller, folder]) => isEnforced(folder, controller, probeLimits));
    child.stdin.on("error", () => undefined);
    child.stdin.end();
    await ended;
    return new Set(matches.map(([controller]) => controller));
  } catch {
    return new Set();
  } finally {
    await limiter.release(id);
  }
}

const getPrlimitPrefix = (processes: number): readonly string[] => ["/usr/bin/prlimit", `--nproc=${processes}`, "--"];

/**
 * Since Linux 5.14 this limit counts per user namespace, so each sandbox has its own. It never
 * applies to root. The probe starts more processes than allowed to see whether the limit applies.
 */
async function canLimitProcesses(bwrap: string): Promise<boolean> {
  const namespaces = ["--unshare-all", "--unshare-user", "--uid", "1000", "--new-session"];
  const sandbox = [...namespaces, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"];
  const script = "(for i in 1 2 3 4 5 6 7 8; do sleep 10 & done); kill 0";
  try {
    const child = spawn(bwrap, [...sandbox, ...getPrlimitPrefix(5), "/bin/sh", "-c", script], {
      env: { PATH: "/usr/bin:/bin" },
      stdio: ["ignore", "ignore", "pipe"],
      timeout: probeTimeoutMs,
      killSignal: "SIGKILL",
    });
    const [words] = await Promise.all([text(child.stderr), once(child, "close")]);
    return /fork/i.test(words);
  } catch {
    return false;
  }
}
