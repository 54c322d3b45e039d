import { lstatSync } from "node:fs";
import { basename } from "node:path";
import { maxFsChanges, type FsChange, type FsChanges, type WatcherStatus } from "@wharf/contract";
import { GitIgnoredPaths } from "../ignore/index.ts";
import { ChangeFollowers } from "./change-followers.ts";
import { collectChanges } from "./changes.ts";
import { OverflowDetector } from "./overflow-detector.ts";
import { TokenBucket } from "./token-bucket.ts";
import { WatchedTree } from "./watched-tree.ts";

/**
 * Reports changes to the workspace's files, by any process.
 *
 * - *stopped* → start() → *starting*: the tree is read and each directory that is not ignored is
 *   watched.
 * - *watching*: touched paths are collected for 100 ms, checked, and reported in events of at most
 *   1,000 changes.
 * - *quiet*, while the watcher is suspended (a git operation, a person's pause): nothing is
 *   collected. When the last suspension ends, the watcher sends one `rescan` event; the tree was
 *   read again if anything had changed.
 * - *behind*, entered when more happens than can be detected or reported: the kernel's queue was
 *   full, too many paths wait, the budget is used up. The watcher immediately reports `overflow`
 *   and collects nothing. After a calm period (or a time limit), it reads the tree again and ends
 *   the state with one `rescan` event.
 * - A changed ignore rule causes the tree to be read again, with one `rescan`.
 *
 * Checks, reads and reports run one after the other and wait for the receiver.
 */

const batchIntervalMs = 100;
// A calm period of this length ends being behind.
const calmMs = 500;
const maxBehindMs = 5_000;
// A full journal delays the watcher's stop by no more than this.
const stopTimeoutMs = 1_000;
// At most this many paths may wait for a check.
const maxWaitingPaths = 50_000;
// Both numbers count changes.
const changeBudget = { capacity: 20_000, perSecond: 2_000 };

export interface WatcherOptions {
  readonly workspace: string;
  /** The daemon keeps its own files in this folder. */
  readonly state: string;
  /** Receives an event; the next event waits for the promise. */
  readonly onEvent: (event: FsChanges) => Promise<void>;
  readonly source?: FsChange["source"];
  readonly budget?: { capacity: number; perSecond: number };
  /** This many events within one turn of the event loop suggest lost events. */
  readonly queueLimit?: number;
  /** Without a calm period, being behind ends after this time in ms. */
  readonly maxBehindMs?: number;
}

export class Watcher {
  readonly #options: WatcherOptions;
  readonly #rules: GitIgnoredPaths;
  readonly #budget: TokenBucket;
  readonly #ticks: OverflowDetector;
  readonly #followers = new ChangeFollowers();
  #tree: WatchedTree | undefined;
  #state: "stopped" | "starting" | "watching" = "stopped";
  #touched = new Map<string, boolean>();
  #batchTimer: NodeJS.Timeout | undefined;
  /** A batch is being checked and reported; new paths are collected until that is done. */
  #isProcessing = false;
  #suspensionCount = 0;
  #hasMissedChanges = false;
  #userPause: Disposable | undefined;
  #behindSince: number | undefined;
  #calmTimer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #reported = 0;
  #overflows = 0;
  #rescans = 0;
  #problem: string | undefined;

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#rules = new GitIgnoredPaths(options);
    this.#budget = new TokenBucket(options.budget ?? changeBudget);
    this.#ticks = new OverflowDetector(options.queueLimit);
  }

  /** Resolves when changes are visible. Repeated calls wait for the first start. */
  start(): Promise<void> {
    if (this.#state !== "stopped") return this.#work;
    this.#state = "starting";
    return this.#enqueue(async () => {
      await this.#rebuildTree();
      if (this.#state !== "starting") return;
      this.#state = "watching";
      // Process changes from the time of the read, in directories that had already been read.
      this.#flush();
    });
  }

  /** Stops after reporting the collected changes. */
  async stop(): Promise<void> {
    if (this.#state === "stopped") return;
    await this.#waitForWork();
    this.#flush();
    this.#state = "stopped";
    clearTimeout(this.#batchTimer);
    clearTimeout(this.#calmTimer);
    this.#batchTimer = this.#calmTimer = this.#behindSince = undefined;
    await this.#waitForWork();
    this.#tree?.[Symbol.dispose]();
    this.#tree = undefined;
    this.#rules.reset();
    this.#touched.clear();
  }

  /** Suspends the watcher until disposal; several suspensions may overlap. */
  suspend(): Disposable {
    if (this.#suspensionCount++ === 0) this.#flush();
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        if (--this.#suspensionCount === 0) this.#finishSuspension();
      },
    };
  }

  pause(): WatcherStatus {
    this.#userPause ??= this.suspend();
    return this.getStatus();
  }

  resume(): WatcherStatus {
    this.#userPause?.[Symbol.dispose]();
    this.#userPause = undefined;
    return this.getStatus();
  }

  getStatus(): WatcherStatus {
    const { directories, files, unwatched, problem } = this.#tree?.size ?? emptyState;
    const reason = this.#problem ?? problem;
    return {
      status: this.#suspensionCount > 0 && this.#state === "watching" ? "paused" : this.#state,
      directories,
      files,
      reported: this.#reported,
      overflows: this.#overflows,
      rescans: this.#rescans,
      unwatched,
      ...(reason !== undefined && { problem: reason }),
    };
  }

  /** Yields all events from now on, also those that no run records. */
  follow(signal: AbortSignal): AsyncGenerator<FsChanges, void, undefined> {
    return this.#followers.follow(signal);
  }

  #handleTouch(path: string, isRename: boolean): void {
    if (this.#state === "stopped") return;
    if (this.#ticks.countEvent()) return this.#fallBehind();
    if (this.#behindSince !== undefined) {
      this.#calmTimer?.refresh();
      return;
    }
    if (this.#suspensionCount > 0) {
      this.#hasMissedChanges = true;
      return;
    }
    if (this.#touched.size >= maxWaitingPaths) return this.#fallBehind();
    this.#touched.set(path, isRename || this.#touched.get(path) === true);
    this.#batchTimer ??= setTimeout(() => this.#flush(), batchIntervalMs);
  }

  #flush(): void {
    clearTimeout(this.#batchTimer);
    this.#batchTimer = undefined;
    if (this.#state !== "watching" || this.#touched.size === 0 || this.#isProcessing) return;
    const touched = this.#touched;
    this.#touched = new Map();
    this.#isProcessing = true;
    void this.#enqueue(() => this.#processTouched(touched)).then(() => {
      this.#isProcessing = false;
      if (this.#touched.size > 0) this.#batchTimer ??= setTimeout(() => this.#flush(), batchIntervalMs);
    });
  }

  async #processTouched(touched: ReadonlyMap<string, boolean>): Promise<void> {
    const tree = this.#tree;
    if (!tree || this.#behindSince !== undefined) return;
    const result = await collectChanges(touched, { root: this.#options.workspace, tree, rules: this.#rules });
    const { changes } = result;
    const timestamp = new Date().toISOString();
    const source = this.#options.source ?? "remote";
    const allowedChanges = changes.slice(0, this.#budget.consume(changes.length));
    for (let start = 0; start < allowedChanges.length; start += maxFsChanges) {
      const batch = allowedChanges.slice(start, start + maxFsChanges);
      this.#reported += batch.length;
      const stampedChanges = batch.map((change) => ({ ...change, timestamp, source }));
      // Unwatched directories may have changed too.
      await this.#sendEvent({ changes: stampedChanges, ...(tree.size.unwatched > 0 && { rescan: true }) });
    }
    if (allowedChanges.length < changes.length || !result.complete) this.#fallBehind();
    else if (await this.#needsRescan(touched)) await this.#rescan();
  }

  /** Returns whether the known tree may be outdated. */
  async #needsRescan(touched: ReadonlyMap<string, boolean>): Promise<boolean> {
    for (const path of touched.keys()) if (basename(path) === ".gitignore") return true;
    const { workspace } = this.#options;
    // The watcher of a removed directory reports the directory's own name.
    if (touched.has(basename(workspace))) {
      const stats = lstatSync(workspace, { throwIfNoEntry: false });
      if (stats && !this.#tree?.isSame("", stats)) return true;
    }
    return this.#rules.hasChanged();
  }

  #fallBehind(): void {
    this.#touched.clear();
    if (this.#behindSince !== undefined) return;
    this.#behindSince = performance.now();
    this.#overflows++;
    void this.#enqueue(() => this.#sendEvent({ changes: [], overflow: true }));
    this.#calmTimer = setTimeout(() => this.#catchUp(), calmMs);
    // This timer replaces the batch timer: the collected batch is dropped.
    clearTimeout(this.#batchTimer);
    this.#batchTimer = setTimeout(() => this.#catchUp(), this.#options.maxBehindMs ?? maxBehindMs);
  }

  #catchUp(): void {
    clearTimeout(this.#calmTimer);
    clearTimeout(this.#batchTimer);
    this.#batchTimer = this.#calmTimer = undefined;
    void this.#enqueue(async () => {
      this.#behindSince = undefined;
      if (this.#suspensionCount > 0) this.#hasMissedChanges = true;
      else await this.#rescan();
    });
  }

  #finishSuspension(): void {
    if (this.#state === "stopped" || this.#behindSince !== undefined) return;
    void this.#enqueue(async () => {
      // The last changes by git may still be arriving.
      await new Promise((resolve) => setTimeout(resolve, batchIntervalMs).unref());
      if (this.#hasMissedChanges || (await this.#rules.hasChanged())) await this.#rescan();
      else await this.#reportRescan();
    });
  }

  /** Reads the tree again and asks every viewer of the tree to do so too. */
  async #rescan(): Promise<void> {
    this.#hasMissedChanges = false;
    if (this.#state === "stopped") return;
    await this.#rebuildTree();
    await this.#reportRescan();
  }

  async #reportRescan(): Promise<void> {
    this.#rescans++;
    await this.#sendEvent({ changes: [], rescan: true });
  }

  async #rebuildTree(): Promise<void> {
    const previousTree = this.#tree;
    this.#rules.reset();
    const tree = new WatchedTree({
      root: this.#options.workspace,
      rules: this.#rules,
      onTouched: (path, isRename) => this.#handleTouch(path, isRename),
    });
    previousTree?.[Symbol.dispose]();
    this.#tree = tree;
    await tree.addDirectory("");
  }

  async #sendEvent(event: Omit<FsChanges, "kind">): Promise<void> {
    this.#followers.publish({ kind: "fs_change", ...event });
    await this.#options.onEvent({ kind: "fs_change", ...event });
  }

  /** Waits for the work in progress, but not beyond a timeout, in case a receiver blocks. */
  async #waitForWork(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, stopTimeoutMs)));
    await Promise.race([this.#work, timeout]).finally(() => clearTimeout(timer));
  }

  /**
   * Runs actions one after the other. A failure shows in the status, and the next rescan recovers
   * from it.
   */
  #enqueue(action: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(action).catch((error: unknown) => {
      this.#problem = error instanceof Error ? error.message : String(error);
    });
    return this.#work;
  }
}

const emptyState = { directories: 0, files: 0, unwatched: 0, problem: undefined };
