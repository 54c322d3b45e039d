import { daemonApi, toWharfError, WharfError } from "@wharf/contract";
import { and, eq, inArray, sql } from "drizzle-orm";
import type { LogWriter } from "../../events/index.ts";
import { fenceLease, type Link, ownsRunner, type Tenure } from "../../runners/index.ts";
import { isDatabaseUnavailable, schema } from "../../store/index.ts";
import { lockTask, type TaskRow } from "../../tasks/index.ts";
import { Alarm } from "../shared/alarm.ts";
import type { RunDeps } from "../shared/deps.ts";
import { appendPush } from "../state/report-push.ts";

const { boards, pushes, runs, tasks } = schema;
type PushRow = typeof pushes.$inferSelect;

const firstRetryMs = 2_000;
const maxRetryMs = 300_000;
/** With the intervals above, the attempts take about an hour. */
const maxAttempts = 20;
const databaseRetryDelayMs = 500;
/** Failures that may not recur at the next attempt. */
const retryableCodes: ReadonlySet<string> = new Set([
  "repository_unreachable",
  "repository_timeout",
  "git_credential_unusable",
  "internal",
  "disk_full",
  "runner_unavailable",
  "runner_timeout",
  "runner_lost",
  "engine_unreachable",
  "cluster_unreachable",
  "database_unavailable",
]);

interface Delivery {
  readonly push: PushRow;
  readonly task: TaskRow;
  readonly repositoryId: string | null;
  readonly organizationId: string;
  /** Time until the next attempt is due, by the database's clock. */
  readonly waitMs: number;
}

export interface BranchDeliveryOptions {
  readonly tenure: Tenure;
  readonly taskId: string;
  /** Returns the runner's link while there is one. */
  readonly findLink: () => Link | undefined;
  /** Called when the delivery has progressed. */
  readonly onProgress: () => void;
}

/**
 * Takes a task's newest commit from its runner to the mirror, and from the mirror to the remote:
 *
 *   WANTED   → MIRRORED  the daemon pushed its branch to this server's mirror; needs the link
 *   MIRRORED → PUSHED    the remote has the commit
 *   MIRRORED → WANTED    this server's mirror lacks the commit: another server's had it, and the
 *                        runner still does
 *   either   → FAILED    after the last attempt, or at once if a retry would change nothing
 *
 * The log has `pending` once when an attempt has failed, and `pushed` or `failed` at the end. The
 * runner keeps its disk until then.
 */
export class BranchDelivery {
  readonly alarm = new Alarm();
  readonly #deps: RunDeps;
  readonly #options: BranchDeliveryOptions;
  #openState: PushRow["state"] | undefined;

  constructor(deps: RunDeps, options: BranchDeliveryOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Whether a commit is not delivered yet. */
  get isOpen(): boolean {
    return this.#openState !== undefined;
  }

  /** Whether the runner has a commit that no mirror has. */
  get needsRunner(): boolean {
    return this.#openState === "WANTED";
  }

  async refresh(): Promise<Delivery | undefined> {
    const { taskId, tenure } = this.#options;
    const [row] = await this.#deps.db
      .select({
        push: pushes,
        task: tasks,
        repositoryId: runs.repository_id,
        organizationId: boards.organization_id,
        waitMs: sql<number>`greatest(0, extract(epoch from ${pushes.next_attempt_at} - now()) * 1000)::float8`,
      })
      .from(pushes)
      .innerJoin(tasks, eq(tasks.id, pushes.task_id))
      .innerJoin(boards, eq(boards.id, tasks.board_id))
      .innerJoin(runs, eq(runs.id, pushes.run_id))
      .where(and(isOpenPush(taskId), eq(pushes.runner_id, tenure.runnerId)));
    this.#openState = row?.push.state;
    return row;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const delivery = await this.refresh();
        this.#options.onProgress();
        const isWaiting = delivery?.push.state === "WANTED" && !this.#options.findLink();
        if (!delivery || isWaiting) await this.alarm.wait(signal);
        else if (delivery.waitMs > 0) await this.alarm.wait(signal, delivery.waitMs);
        else await this.#advanceDelivery(delivery, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!isDatabaseUnavailable(error))
          this.#deps.logger.error({ error, task_id: this.#options.taskId }, "a delivery failed; retrying");
        await this.alarm.wait(signal, databaseRetryDelayMs);
      }
    }
  }

  /**
   * Ends the delivery of a commit that only the runner has, when the runner is no longer reachable.
   */
  async abandon(reason: string): Promise<void> {
    const delivery = await this.refresh();
    if (delivery?.push.state !== "WANTED") return;
    await this.#setResult(delivery, {
      failed: `${reason} The commit is still on the runner's disk; retry with 'wharf task push'.`,
    });
    await this.refresh();
  }

  async #advanceDelivery(delivery: Delivery, signal: AbortSignal): Promise<void> {
    try {
      if (delivery.push.state === "WANTED") await this.#pushToMirror(delivery, signal);
      else await this.#pushToRemote(delivery, signal);
    } catch (error) {
      if (signal.aborted || isDatabaseUnavailable(error)) throw error;
      await this.#scheduleRetry(delivery, error);
    }
  }

  async #pushToMirror({ push, task, repositoryId, organizationId }: Delivery, signal: AbortSignal): Promise<void> {
    const { tenure, findLink } = this.#options;
    const { mirrors, times, db } = this.#deps;
    const link = findLink();
    if (!link || !task.repository_url || !repositoryId) throw createUndeliverableError(task);
    const { repository_url: url, shadow_branch } = task;
    const signals = [signal, link.signal];
    // After a failover this server's mirror may be missing.
    if (!(await mirrors.exists(repositoryId)))
      await tenure.runStep({ name: "fetch", maxMs: times.clone, signals }, (stepSignal) =>
        mirrors.ensure(url, { organization_id: organizationId, signal: stepSignal }),
      );
    await tenure.runStep({ name: "push", maxMs: times.clone, signals }, (stepSignal) =>
      link.client.call(daemonApi.push, { body: { shadow_branch } }, { signal: stepSignal, timeoutMs: times.clone }),
    );
    const sha = await mirrors.head(repositoryId, shadow_branch);
    if (!sha) throw new WharfError("push_rejected", { ref: shadow_branch, reason: "the mirror rejected it" });
    await db
      .update(pushes)
      .set({ state: "MIRRORED", sha, attempts: 0, next_attempt_at: sql`now()` })
      .where(and(eq(pushes.task_id, task.id), eq(pushes.sha, push.sha), ownsRunner(tenure.lease)));
  }

  async #pushToRemote(delivery: Delivery, signal: AbortSignal): Promise<void> {
    const { push, task, repositoryId, organizationId } = delivery;
    const { tenure } = this.#options;
    const { mirrors, times, db } = this.#deps;
    if (!task.repository_url || !repositoryId) throw createUndeliverableError(task);
    const { repository_url: url, shadow_branch: branch } = task;
    if (!(await mirrors.exists(repositoryId)) || !(await mirrors.has(repositoryId, push.sha))) {
      const ownPush = and(eq(pushes.task_id, task.id), eq(pushes.sha, push.sha), ownsRunner(tenure.lease));
      await db
        .update(pushes)
        .set({ state: "WANTED", next_attempt_at: sql`now()` })
        .where(ownPush);
      return;
    }
    await tenure.runStep({ name: "deliver", maxMs: times.deliver, signals: [signal] }, (stepSignal) =>
      mirrors.forward({
        url,
        organization_id: organizationId,
        repository_id: repositoryId,
        branch,
        sha: push.sha,
        signal: stepSignal,
      }),
    );
    await this.#setResult(delivery, {});
  }

  async #scheduleRetry(delivery: Delivery, thrown: unknown): Promise<void> {
    const { push, task } = delivery;
    const error = toWharfError(thrown, task.id);
    const attempts = push.attempts + 1;
    if (!retryableCodes.has(error.code) || attempts >= maxAttempts)
      return this.#setResult(delivery, { failed: `${error.message} ${error.next}` });
    const retryMs = Math.min(maxRetryMs, firstRetryMs * 2 ** push.attempts);
    this.#deps.logger.warn({ task_id: task.id, retry_ms: retryMs, error: thrown }, "a push failed; retrying");
    await this.#writePush(delivery, async (writer) => {
      const nextAttemptAt = sql`now() + make_interval(secs => ${retryMs / 1000})`;
      await writer.tx
        .update(pushes)
        .set({ attempts, next_attempt_at: nextAttemptAt, error_message: error.message, reported: true })
        .where(eq(pushes.task_id, task.id));
      const message = `${error.message} Wharf retries for about an hour.`;
      if (!push.reported) await appendPush(writer, { push, task, status: "pending", message });
    });
  }

  async #setResult(delivery: Delivery, { failed }: { failed?: string }): Promise<void> {
    const { push, task } = delivery;
    await this.#writePush(delivery, async (writer) => {
      await writer.tx
        .update(pushes)
        .set({ state: failed ? "FAILED" : "PUSHED", error_message: failed ?? null })
        .where(eq(pushes.task_id, task.id));
      await appendPush(writer, {
        push,
        task,
        status: failed ? "failed" : "pushed",
        ...(failed && { message: failed }),
      });
    });
  }

  /** Writes under the lease, unless a newer commit has replaced this one. */
  async #writePush({ push }: Delivery, work: (writer: LogWriter) => Promise<void>): Promise<void> {
    await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, push.task_id);
      await fenceLease(writer.tx, this.#options.tenure.lease);
      const same = and(isOpenPush(push.task_id), eq(pushes.sha, push.sha), eq(pushes.state, push.state));
      const [current] = await writer.tx.select({ sha: pushes.sha }).from(pushes).where(same);
      if (current) await work(writer);
    });
  }
}

const isOpenPush = (taskId: string) => and(eq(pushes.task_id, taskId), inArray(pushes.state, ["WANTED", "MIRRORED"]));

const createUndeliverableError = (task: TaskRow) =>
  new WharfError("push_rejected", {
    ref: task.shadow_branch,
    reason: "the task no longer has a repository, or its run never cloned one",
  });
