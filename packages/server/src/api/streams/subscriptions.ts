import { type StreamFormat, type Subscribe, toLogEnvelope, WharfError } from "@wharf/contract";
import type { Scope } from "../../access/index.ts";
import { followTaskLog, type Log, Permits } from "../../events/index.ts";
import type { Tasks } from "../../tasks/index.ts";
import type { Viewer } from "./viewer.ts";

/** Maximum number of tasks that one connection follows. */
const maxTasks = 5_000;
/**
 * Maximum number of pages that one connection holds at once for tasks whose log it has not caught
 * up with.
 */
const maxPages = 2;
/** Maximum number of wrong ids of one message that are answered individually. */
const maxErrors = 10;

export interface SubscriptionOptions {
  readonly log: Log;
  readonly tasks: Pick<Tasks, "findMany">;
  readonly scope: Scope;
  readonly maxTasks?: number | undefined;
  readonly format: StreamFormat;
}

/** The tasks that one viewer of the global stream follows, each from a separate cursor. */
export class Subscriptions {
  readonly #viewer: Viewer;
  readonly #options: SubscriptionOptions;
  /** The followed tasks, each with what ends it. */
  readonly #followed = new Map<string, AbortController>();
  #scope: Scope;
  readonly #pages = new Permits(maxPages);

  constructor(viewer: Viewer, options: SubscriptionOptions) {
    this.#viewer = viewer;
    this.#options = options;
    this.#scope = options.scope;
    viewer.signal.addEventListener("abort", () => {
      for (const following of this.#followed.values()) following.abort();
    });
  }

  /** Takes the viewer's present rights, and drops the tasks that the viewer no longer sees. */
  async setScope(scope: Scope): Promise<void> {
    this.#scope = scope;
    const taskIds = [...this.#followed.keys()];
    const { missing } = await this.#options.tasks.findMany(scope, taskIds);
    for (const taskId of missing) {
      this.#followed.get(taskId)?.abort();
      this.#followed.delete(taskId);
      void this.#viewer.sendFailure(new WharfError("task_not_found", { id: taskId }));
    }
  }

  /** Ends what a message names. */
  unsubscribe(taskIds: readonly string[]): void {
    for (const [taskId, following] of this.#followed) {
      if (!taskIds.some((prefix) => taskId.startsWith(prefix))) continue;
      following.abort();
      this.#followed.delete(taskId);
    }
  }

  /**
   * Follows the tasks that a message names. Invalid ids are answered with an error and do not
   * affect the others.
   */
  async subscribe(message: Pick<Subscribe, "task_ids" | "after">): Promise<void> {
    const { task_ids, after: cursors } = message;
    const scope = this.#scope;
    const { found: foundTasks, missing: missingIds, ambiguous } = await this.#options.tasks.findMany(scope, task_ids);
    // The viewer's rights changed meanwhile, and these tasks were found with the old ones.
    if (scope !== this.#scope) return this.subscribe(message);
    let isFull = false;
    for (const [requestedId, task] of foundTasks) {
      if (this.#followed.has(task.id)) continue;
      isFull ||= this.#followed.size >= (this.#options.maxTasks ?? maxTasks);
      if (isFull) break;
      void this.#followTask(task.id, cursors[requestedId] ?? task.last_seq);
    }
    const wrong = [
      ...missingIds.map((id) => new WharfError("task_not_found", { id })),
      ...ambiguous.map((id) => new WharfError("ambiguous_id", { what: "task", id })),
    ];
    for (const error of wrong.slice(0, maxErrors)) await this.#viewer.sendFailure(error);
    if (wrong.length > maxErrors)
      throw createBadRequest("task_ids", `${wrong.length - maxErrors} more ids match no task`);
    if (isFull)
      throw createBadRequest("task_ids", `one connection follows ${this.#followed.size} tasks; open another one`);
  }

  async #followTask(taskId: string, startSeq: number): Promise<void> {
    const following = new AbortController();
    const { signal } = following;
    this.#followed.set(taskId, following);
    if (this.#viewer.signal.aborted) following.abort();
    try {
      for await (const events of followTaskLog(this.#options.log, taskId, {
        after: startSeq,
        signal,
        pages: this.#pages,
      })) {
        if (signal.aborted) return;
        await this.#viewer.send(this.#options.format === "envelope" ? events.map(toLogEnvelope) : events);
      }
    } catch (thrown) {
      if (this.#followed.get(taskId) === following) this.#followed.delete(taskId);
      // A deleted task is no reason to end the others.
      if (thrown instanceof WharfError && thrown.code === "task_not_found") await this.#viewer.sendFailure(thrown);
      else this.#viewer.fail(thrown);
    }
  }
}

export const createBadRequest = (path: string, message: string): WharfError =>
  new WharfError("bad_request", { issues: [{ path, message }] });
