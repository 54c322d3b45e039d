import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Freezes all processes that belong to an agent, and lets exactly those go on that it froze.
 *
 * Whose process one is, is told by its group, its session, its parents, or by the mark in the environment it was started
 * with: one that made itself a daemon has nothing else left. A process may start another just before it is stopped, so
 * the list is made again until all that are on it stand still.
 */

/** Between two looks, in ms: a signal is taken when the process next runs. */
const pollIntervalMs = 2;

interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly state: string;
  /** When it started, in the kernel's own clock: a number used again is another process. */
  readonly started: string;
}

interface FreezerOptions {
  /** A line of the environment, `NAME=value`, that nothing but the agent and what it starts has. */
  getRunVariable(): string | undefined;
  /** Process groups of the agent and of the commands it runs through its client. */
  getGroups(): readonly number[];
  /** How long processes may take to stand still, in ms. */
  readonly limitMs: number;
}

export interface FreezeResult {
  readonly processes: number;
  /** Processes that did not stand still in time: they wait in the kernel, or are another user's. */
  readonly moving: number;
}

export class Freezer {
  readonly #options: FreezerOptions;
  /** In the order they were stopped: parents before their children. */
  readonly #frozen = new Map<number, string>();

  constructor(options: FreezerOptions) {
    this.#options = options;
  }

  async freeze(signal: AbortSignal): Promise<FreezeResult> {
    const deadline = performance.now() + this.#options.limitMs;
    const strangers = new Map<number, string>();
    for (;;) {
      const processes = await this.#findProcesses(strangers);
      const parents = getStoppedParents(processes);
      const moving = processes.filter((one) => isMoving(one) && !(this.#isSignalled(one) && parents.has(one.pid)));
      if (moving.length === 0 || signal.aborted || performance.now() > deadline)
        return { processes: this.#frozen.size, moving: moving.length };
      for (const one of moving) {
        if (sendSignal(one.pid, "SIGSTOP")) this.#frozen.set(one.pid, one.started);
      }
      await sleep(pollIntervalMs);
    }
  }

  #isSignalled({ pid, started }: ProcessInfo): boolean {
    return this.#frozen.get(pid) === started;
  }

  /** Children before their parents, so that none of these sees a child that stands still. */
  async thaw(): Promise<void> {
    const frozen = [...this.#frozen].toReversed();
    this.#frozen.clear();
    for (const [pid, started] of frozen) if ((await readProcess(pid))?.started === started) sendSignal(pid, "SIGCONT");
  }

  /** `strangers` are those that were looked into before: a mark is inherited, so nobody comes to one later. */
  async #findProcesses(strangers: Map<number, string>): Promise<ProcessInfo[]> {
    const all = await listProcesses();
    const ancestors = getAncestors(all);
    const groups = new Set(this.#options.getGroups());
    const children = Map.groupBy(all, ({ parent }) => parent);
    const ownProcesses = new Set<ProcessInfo>();
    const addWithChildren = (one: ProcessInfo): void => {
      if (ownProcesses.has(one) || ancestors.has(one.pid)) return;
      ownProcesses.add(one);
      for (const child of children.get(one.pid) ?? []) addWithChildren(child);
    };
    for (const one of all) if (groups.has(one.group) || groups.has(one.session)) addWithChildren(one);
    const runVariable = this.#options.getRunVariable();
    const unknown = all.filter((one) => !ownProcesses.has(one) && strangers.get(one.pid) !== one.started);
    const marked = await Promise.all(unknown.map(({ pid }) => isMarked(pid, runVariable)));
    unknown.forEach((one, i) => {
      if (marked[i]) addWithChildren(one);
      else if (marked[i] === false) strangers.set(one.pid, one.started);
    });
    return [...ownProcesses];
  }
}

/** Nothing where it can't be told: a process that is just becoming another program has no environment for a moment. */
async function isMarked(pid: number, runVariable: string | undefined): Promise<boolean | undefined> {
  if (runVariable === undefined) return false;
  try {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8");
    return environment === "" ? undefined : environment.split("\0").includes(runVariable);
  } catch {
    return false; // It ended, or is another user's.
  }
}

const stoppedStates = new Set(["T", "t", "Z", "X", "x"]);
const isMoving = ({ state }: ProcessInfo): boolean => !stoppedStates.has(state);

/**
 * Parents that wait in the kernel (state D) and have a stopped child. A child that is stopped between
 * vfork and exec keeps its parent there; a parent that received SIGSTOP runs no further instruction.
 */
function getStoppedParents(processes: readonly ProcessInfo[]): ReadonlySet<number> {
  const parents = new Set(processes.filter(({ state }) => state === "T").map(({ parent }) => parent));
  return new Set(processes.filter(({ pid, state }) => state === "D" && parents.has(pid)).map(({ pid }) => pid));
}

/** This process and all above it. */
function getAncestors(all: readonly ProcessInfo[]): Set<number> {
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
  const pids = new Set<number>([1]);
  for (let pid = process.pid; pid > 0 && !pids.has(pid); pid = parents.get(pid) ?? 0) pids.add(pid);
  return pids;
}

async function listProcesses(): Promise<ProcessInfo[]> {
  const names = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(names.map((name) => readProcess(Number(name))));
  return all.filter((one) => one !== undefined);
}

async function readProcess(pid: number): Promise<ProcessInfo | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The name may hold spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state = "X", parent, group, session] = fields;
    return {
      pid,
      state,
      parent: Number(parent),
      group: Number(group),
      session: Number(session),
      started: fields[19] ?? "",
    };
  } catch {
    return undefined;
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false; // It ended meanwhile, or is another user's.
  }
}
