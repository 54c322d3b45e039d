import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { listProcesses, type ProcessInfo, readProcess, sendSignal } from "../../std/processes.ts";

/**
 * The freezer stops all processes that belong to an agent, and later continues exactly those that
 * it stopped.
 *
 * A process belongs to the agent by its group, its session, its parents, or the run variable in its
 * initial environment: a process that became a daemon has only the variable left. A process may
 * start another just before it is stopped, so the freezer lists processes again until all listed
 * ones are stopped.
 */

/** Time between two scans: a signal takes effect when the process next runs. */
const pollIntervalMs = 2;

interface FreezerOptions {
  /** Returns an environment line, `NAME=value`, that only the agent and its descendants have. */
  getRunVariable(): string | undefined;
  /** Returns the process groups of the agent and of the commands it runs through its client. */
  getGroups(): readonly number[];
  /** Processes may take this long to stop. */
  readonly limitMs: number;
}

export interface FreezeResult {
  readonly processes: number;
  /** These processes did not stop in time: they wait in the kernel, or belong to another user. */
  readonly moving: number;
}

export class Freezer {
  readonly #options: FreezerOptions;
  /** Processes are in the order they were stopped: parents before their children. */
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

  /** Continues children before their parents, so that no parent sees a stopped child. */
  async thaw(): Promise<void> {
    const frozen = [...this.#frozen].toReversed();
    this.#frozen.clear();
    for (const [pid, started] of frozen) if ((await readProcess(pid))?.started === started) sendSignal(pid, "SIGCONT");
  }

  /**
   * Finds the agent's processes. `strangers` are processes checked earlier: the variable is
   * inherited, so no process gets it later.
   */
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

/** Returns undefined if the answer is unknown: during exec a process briefly has no environment. */
async function isMarked(pid: number, runVariable: string | undefined): Promise<boolean | undefined> {
  if (runVariable === undefined) return false;
  try {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8");
    return environment === "" ? undefined : environment.split("\0").includes(runVariable);
  } catch {
    return false; // The process ended, or belongs to another user.
  }
}

const stoppedStates = new Set(["T", "t", "Z", "X", "x"]);
const isMoving = ({ state }: ProcessInfo): boolean => !stoppedStates.has(state);

/**
 * Parents that wait in the kernel (state D) and have a stopped child. A child that is stopped
 * between vfork and exec keeps its parent there; a parent that received SIGSTOP runs no further
 * instruction.
 */
function getStoppedParents(processes: readonly ProcessInfo[]): ReadonlySet<number> {
  const parents = new Set(processes.filter(({ state }) => state === "T").map(({ parent }) => parent));
  return new Set(processes.filter(({ pid, state }) => state === "D" && parents.has(pid)).map(({ pid }) => pid));
}

/** Returns this process and all its ancestors. */
function getAncestors(all: readonly ProcessInfo[]): Set<number> {
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
  const pids = new Set<number>([1]);
  for (let pid = process.pid; pid > 0 && !pids.has(pid); pid = parents.get(pid) ?? 0) pids.add(pid);
  return pids;
}
