import { lstatSync } from "node:fs";
import { basename } from "node:path";
import { maxFsChanges, type FsChange, type FsChanges, type WatcherStatus } from "@wharf/contract";
import { TokenBucket } from "./token-bucket.ts";
import { collectChanges } from "./changes.ts";
import { GitIgnoreRules } from "./git-ignore-rules.ts";
import { OverflowDetector } from "./overflow-detector.ts";
import { WatchedTree } from "./watched-tree.ts";

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

const batchIntervalMs = 100; // ms
const calmMs = 500; // ms without anything that end being behind
const maxBehindMs = 5_000; // ms
const stopTimeoutMs = 1_000; // ms; a full journal does not keep the watcher from ending
const maxWaitingPaths = 50_000; // paths that may wait to be looked at
const changeBudget = { capacity: 20_000, perSecond: 2_000 }; // changes

export interface WatcherOptions {
  readonly workspace: string;
  /** Where the daemon keeps what is its own. */
  readonly state: string;
  /** Takes an event; the next one waits for it. */
  readonly onEvent: (event: FsChanges) => Promise<void>;
  readonly source?: FsChange["source"];
  readonly budget?: { capacity: number; perSecond: number };
  /** Events within one turn of the event loop that are a sign of lost ones. */
  readonly queueLimit?: number;
  /** How long it stays behind while it is never calm, in ms. */
  readonly maxBehindMs?: number;
}

export class Watcher {
  readonly #options: WatcherOptions;
  readonly #rules: GitIgnoreRules;
  readonly #budget: TokenBucket;
  readonly #ticks: OverflowDetector;
  #tree: WatchedTree | undefined;
  #state: "stopped" | "starting" | "watching" = "stopped";
  #touched = new Map<string, boolean>();
  #batchTimer: NodeJS.Timeout | undefined;
  /** What was collected is being looked at and told; more is collected until that is done. */
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
    this.#rules = new GitIgnoreRules(options);
    this.#budget = new TokenBucket(options.budget ?? changeBudget);
    this.#ticks = new OverflowDetector(options.queueLimit);
  }

  /** Resolves when changes are seen. Started already, it waits for that. */
  start(): Promise<void> {
    if (this.#state !== "stopped") return this.#work;
    this.#state = "starting";
    return this.#enqueue(async () => {
      await this.#rebuildTree();
      if (this.#state !== "starting") return;
      this.#state = "watching";
      // What happened while the tree was read, in what was read already.
      this.#flush();
    });
  }

  /** What was collected is told before it ends. */
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

  /** Keeps it quiet until disposed of; anybody may, at the same time as others. */
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
      // What is not watched may have changed too.
      await this.#sendEvent({ changes: stampedChanges, ...(tree.size.unwatched > 0 && { rescan: true }) });
    }
    if (allowedChanges.length < changes.length || !result.complete) this.#fallBehind();
    else if (await this.#needsRescan(touched)) await this.#rescan();
  }

  /** Whether what is known of the tree no longer holds. */
  async #needsRescan(touched: ReadonlyMap<string, boolean>): Promise<boolean> {
    for (const path of touched.keys()) if (basename(path) === ".gitignore") return true;
    const { workspace } = this.#options;
    // A directory that goes itself is told of under its own name.
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
    // In the place of the batch that was collected and is not looked at any more.
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
      // What git did last is still on its way.
      await new Promise((resolve) => setTimeout(resolve, batchIntervalMs).unref());
      if (this.#hasMissedChanges || (await this.#rules.hasChanged())) await this.#rescan();
      else await this.#reportRescan();
    });
  }

  /** The tree is read again, and whoever shows it is told to do so too. */
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
    await this.#options.onEvent({ kind: "fs_change", ...event });
  }

  /** All that was begun is done, or somebody who is told keeps it waiting for too long. */
  async #waitForWork(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, stopTimeoutMs)));
    await Promise.race([this.#work, timeout]).finally(() => clearTimeout(timer));
  }

  /** One thing after the other. A failure is kept to be seen in the status, and the next rescan mends it. */
  #enqueue(action: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(action).catch((error: unknown) => {
      this.#problem = error instanceof Error ? error.message : String(error);
    });
    return this.#work;
  }
}

const emptyState = { directories: 0, files: 0, unwatched: 0, problem: undefined };
