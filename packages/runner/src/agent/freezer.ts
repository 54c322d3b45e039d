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
const lookAgain = 2;

interface Process {
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
  mark(): string | undefined;
  /** Process groups of the agent and of the commands it runs through its client. */
  groups(): readonly number[];
  /** How long processes may take to stand still, in ms. */
  readonly limitMs: number;
}

export interface Frozen {
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

  async freeze(signal: AbortSignal): Promise<Frozen> {
    const end = performance.now() + this.#options.limitMs;
    const strangers = new Map<number, string>();
    for (;;) {
      const moving = (await this.#find(strangers)).filter(isMoving);
      if (moving.length === 0 || signal.aborted || performance.now() > end)
        return { processes: this.#frozen.size, moving: moving.length };
      for (const one of moving) {
        if (send(one.pid, "SIGSTOP")) this.#frozen.set(one.pid, one.started);
      }
      await sleep(lookAgain);
    }
  }

  /** Children before their parents, so that none of these sees a child that stands still. */
  async thaw(): Promise<void> {
    const frozen = [...this.#frozen].toReversed();
    this.#frozen.clear();
    for (const [pid, started] of frozen) if ((await read(pid))?.started === started) send(pid, "SIGCONT");
  }

  /** `strangers` are those that were looked into before: a mark is inherited, so nobody comes to one later. */
  async #find(strangers: Map<number, string>): Promise<Process[]> {
    const all = await processes();
    const spared = ancestors(all);
    const groups = new Set(this.#options.groups());
    const children = Map.groupBy(all, ({ parent }) => parent);
    const found = new Set<Process>();
    const take = (one: Process): void => {
      if (found.has(one) || spared.has(one.pid)) return;
      found.add(one);
      for (const child of children.get(one.pid) ?? []) take(child);
    };
    for (const one of all) if (groups.has(one.group) || groups.has(one.session)) take(one);
    const mark = this.#options.mark();
    const unknown = all.filter((one) => !found.has(one) && strangers.get(one.pid) !== one.started);
    const marked = await Promise.all(unknown.map(({ pid }) => isMarked(pid, mark)));
    unknown.forEach((one, i) => {
      if (marked[i]) take(one);
      else if (marked[i] === false) strangers.set(one.pid, one.started);
    });
    return [...found];
  }
}

/** Nothing where it can't be told: a process that is just becoming another program has no environment for a moment. */
async function isMarked(pid: number, mark: string | undefined): Promise<boolean | undefined> {
  if (mark === undefined) return false;
  try {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8");
    return environment === "" ? undefined : environment.split("\0").includes(mark);
  } catch {
    return false; // It ended, or is another user's.
  }
}

const standing = new Set(["T", "t", "Z", "X", "x"]);
const isMoving = ({ state }: Process): boolean => !standing.has(state);

/** This process and all above it. */
function ancestors(all: readonly Process[]): Set<number> {
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
  const found = new Set<number>([1]);
  for (let at = process.pid; at > 0 && !found.has(at); at = parents.get(at) ?? 0) found.add(at);
  return found;
}

async function processes(): Promise<Process[]> {
  const names = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(names.map((name) => read(Number(name))));
  return all.filter((one) => one !== undefined);
}

async function read(pid: number): Promise<Process | undefined> {
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

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false; // It ended meanwhile, or is another user's.
  }
}
