import { lstatSync } from "node:fs";
import { basename } from "node:path";
import { FS_CHANGES_MAX, type FsChange, type FsChanges, type WatcherStatus } from "@wharf/contract";
import { Budget } from "./budget.ts";
import { changesOf } from "./changes.ts";
import { IgnoreRules } from "./ignore-rules.ts";
import { TickCount } from "./tick-count.ts";
import { Tree } from "./tree.ts";

/**
 * Tells what happens to the workspace's files, whoever does it.
 *
 * - *stopped* → start() → *starting*: the tree is read and each directory that is not ignored is watched.
 * - *watching*: what is touched is collected for 100 ms, looked at, and told in events of at most 1,000 changes.
 * - *quiet*, while somebody holds it (git at work, a person's pause): nothing is collected. The last to let go brings one
 *   event `rescan`; the tree was read again where something had happened.
 * - *behind*, entered when more happens than can be known or told: the kernel's queue was full, too many paths wait, the
 *   budget is used up. It is said at once with `overflow`, nothing is collected, and when it has been calm for a while
 *   (or has lasted long) the tree is read again and one event `rescan` ends it.
 * - A changed ignore rule makes the tree be read again, with one `rescan`.
 *
 * Looking, reading and telling are done one after the other; who is told is waited for.
 */

const BATCH = 100; // ms
const CALM = 500; // ms without anything that end being behind
const BEHIND_AT_MOST = 5_000; // ms
const STOP_WITHIN = 1_000; // ms; a full journal does not keep the watcher from ending
const WAITING = 50_000; // paths that may wait to be looked at
const BUDGET = { capacity: 20_000, perSecond: 2_000 }; // changes

export interface WatcherOptions {
  readonly workspace: string;
  /** Where the daemon keeps what is its own. */
  readonly state: string;
  /** Takes an event; the next one waits for it. */
  readonly tell: (event: FsChanges) => Promise<void>;
  readonly source?: FsChange["source"];
  readonly budget?: { capacity: number; perSecond: number };
  /** Events within one turn of the event loop that are a sign of lost ones. */
  readonly queueLimit?: number;
  /** How long it stays behind while it is never calm, in ms. */
  readonly behindAtMost?: number;
}

export class Watcher {
  readonly #options: WatcherOptions;
  readonly #rules: IgnoreRules;
  readonly #budget: Budget;
  readonly #ticks: TickCount;
  #tree: Tree | undefined;
  #state: "stopped" | "starting" | "watching" = "stopped";
  #touched = new Map<string, boolean>();
  #batch: NodeJS.Timeout | undefined;
  /** What was collected is being looked at and told; more is collected until that is done. */
  #looking = false;
  #holders = 0;
  #missed = false;
  #userPause: Disposable | undefined;
  #behindSince: number | undefined;
  #calm: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #reported = 0;
  #overflows = 0;
  #rescans = 0;
  #problem: string | undefined;

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#rules = new IgnoreRules(options);
    this.#budget = new Budget(options.budget ?? BUDGET);
    this.#ticks = new TickCount(options.queueLimit);
  }

  /** Resolves when changes are seen. Started already, it waits for that. */
  start(): Promise<void> {
    if (this.#state !== "stopped") return this.#work;
    this.#state = "starting";
    return this.#next(async () => {
      await this.#read();
      if (this.#state !== "starting") return;
      this.#state = "watching";
      // What happened while the tree was read, in what was read already.
      this.#flush();
    });
  }

  /** What was collected is told before it ends. */
  async stop(): Promise<void> {
    if (this.#state === "stopped") return;
    await this.#settled();
    this.#flush();
    this.#state = "stopped";
    clearTimeout(this.#batch);
    clearTimeout(this.#calm);
    this.#batch = this.#calm = this.#behindSince = undefined;
    await this.#settled();
    this.#tree?.[Symbol.dispose]();
    this.#tree = undefined;
    this.#rules.forget();
    this.#touched.clear();
  }

  /** Keeps it quiet until disposed of; anybody may, at the same time as others. */
  quiet(): Disposable {
    if (this.#holders++ === 0) this.#flush();
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        if (--this.#holders === 0) this.#resumed();
      },
    };
  }

  pause(): WatcherStatus {
    this.#userPause ??= this.quiet();
    return this.status();
  }

  resume(): WatcherStatus {
    this.#userPause?.[Symbol.dispose]();
    this.#userPause = undefined;
    return this.status();
  }

  status(): WatcherStatus {
    const { directories, files, unwatched, problem } = this.#tree?.size ?? NOTHING;
    const why = this.#problem ?? problem;
    return {
      status: this.#holders > 0 && this.#state === "watching" ? "paused" : this.#state,
      directories,
      files,
      reported: this.#reported,
      overflows: this.#overflows,
      rescans: this.#rescans,
      unwatched,
      ...(why !== undefined && { problem: why }),
    };
  }

  #onTouched(path: string, moved: boolean): void {
    if (this.#state === "stopped") return;
    if (this.#ticks.add()) return this.#fallBehind();
    if (this.#behindSince !== undefined) {
      this.#calm?.refresh();
      return;
    }
    if (this.#holders > 0) {
      this.#missed = true;
      return;
    }
    if (this.#touched.size >= WAITING) return this.#fallBehind();
    this.#touched.set(path, moved || this.#touched.get(path) === true);
    this.#batch ??= setTimeout(() => this.#flush(), BATCH);
  }

  #flush(): void {
    clearTimeout(this.#batch);
    this.#batch = undefined;
    if (this.#state !== "watching" || this.#touched.size === 0 || this.#looking) return;
    const touched = this.#touched;
    this.#touched = new Map();
    this.#looking = true;
    void this.#next(() => this.#look(touched)).then(() => {
      this.#looking = false;
      if (this.#touched.size > 0) this.#batch ??= setTimeout(() => this.#flush(), BATCH);
    });
  }

  async #look(touched: ReadonlyMap<string, boolean>): Promise<void> {
    const tree = this.#tree;
    if (!tree || this.#behindSince !== undefined) return;
    const found = await changesOf(touched, { root: this.#options.workspace, tree, rules: this.#rules });
    const { changes } = found;
    const timestamp = new Date().toISOString();
    const source = this.#options.source ?? "remote";
    const told = changes.slice(0, this.#budget.take(changes.length));
    for (let from = 0; from < told.length; from += FS_CHANGES_MAX) {
      const some = told.slice(from, from + FS_CHANGES_MAX);
      this.#reported += some.length;
      const changed = some.map((change) => ({ ...change, timestamp, source }));
      // What is not watched may have changed too.
      await this.#tell({ changes: changed, ...(tree.size.unwatched > 0 && { rescan: true }) });
    }
    if (told.length < changes.length || !found.complete) this.#fallBehind();
    else if (await this.#needsReading(touched)) await this.#rescan();
  }

  /** Whether what is known of the tree no longer holds. */
  async #needsReading(touched: ReadonlyMap<string, boolean>): Promise<boolean> {
    for (const path of touched.keys()) if (basename(path) === ".gitignore") return true;
    const { workspace } = this.#options;
    // A directory that goes itself is told of under its own name.
    if (touched.has(basename(workspace))) {
      const stats = lstatSync(workspace, { throwIfNoEntry: false });
      if (stats && !this.#tree?.isSame("", stats)) return true;
    }
    return this.#rules.changed();
  }

  #fallBehind(): void {
    this.#touched.clear();
    if (this.#behindSince !== undefined) return;
    this.#behindSince = performance.now();
    this.#overflows++;
    void this.#next(() => this.#tell({ changes: [], overflow: true }));
    this.#calm = setTimeout(() => this.#catchUp(), CALM);
    // In the place of the batch that was collected and is not looked at any more.
    clearTimeout(this.#batch);
    this.#batch = setTimeout(() => this.#catchUp(), this.#options.behindAtMost ?? BEHIND_AT_MOST);
  }

  #catchUp(): void {
    clearTimeout(this.#calm);
    clearTimeout(this.#batch);
    this.#batch = this.#calm = undefined;
    void this.#next(async () => {
      this.#behindSince = undefined;
      if (this.#holders > 0) this.#missed = true;
      else await this.#rescan();
    });
  }

  #resumed(): void {
    if (this.#state === "stopped" || this.#behindSince !== undefined) return;
    void this.#next(async () => {
      // What git did last is still on its way.
      await new Promise((resolve) => setTimeout(resolve, BATCH).unref());
      if (this.#missed || (await this.#rules.changed())) await this.#rescan();
      else await this.#sayRescan();
    });
  }

  /** The tree is read again, and whoever shows it is told to do so too. */
  async #rescan(): Promise<void> {
    this.#missed = false;
    if (this.#state === "stopped") return;
    await this.#read();
    await this.#sayRescan();
  }

  async #sayRescan(): Promise<void> {
    this.#rescans++;
    await this.#tell({ changes: [], rescan: true });
  }

  async #read(): Promise<void> {
    const before = this.#tree;
    this.#rules.forget();
    const tree = new Tree({
      root: this.#options.workspace,
      rules: this.#rules,
      onTouched: (path, moved) => this.#onTouched(path, moved),
    });
    before?.[Symbol.dispose]();
    this.#tree = tree;
    await tree.addDirectory("");
  }

  async #tell(event: Omit<FsChanges, "kind">): Promise<void> {
    await this.#options.tell({ kind: "fs_change", ...event });
  }

  /** All that was begun is done, or somebody who is told keeps it waiting for too long. */
  async #settled(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, STOP_WITHIN)));
    await Promise.race([this.#work, late]).finally(() => clearTimeout(timer));
  }

  /** One thing after the other. A failure is kept to be seen in the status, and the next rescan mends it. */
  #next(action: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(action).catch((error: unknown) => {
      this.#problem = error instanceof Error ? error.message : String(error);
    });
    return this.#work;
  }
}

const NOTHING = { directories: 0, files: 0, unwatched: 0, problem: undefined };
