import { type Diff, daemonApi, WharfError } from "@wharf/contract";
import { and, desc, eq, isNotNull } from "drizzle-orm";
import type { Mirrors } from "../../gateway/index.ts";
import type { KnownSecrets } from "../../redaction/index.ts";
import type { Link } from "../../runners/index.ts";
import { type Database, schema } from "../../store/index.ts";
import type { TaskRow } from "../../tasks/index.ts";
import type { LinksByRunner } from "../shared/deps.ts";

const { runs } = schema;

interface TaskDiffsOptions {
  readonly mirrors: Mirrors;
  readonly links: LinksByRunner;
  readonly secrets: KnownSecrets;
}

/**
 * Returns a task's changes without the server's secrets: from its workspace while its runner runs,
 * otherwise from the mirror's branch. The repository itself may contain one that no push added.
 */
export class TaskDiffs {
  readonly #db: Database;
  readonly #options: TaskDiffsOptions;

  constructor(db: Database, options: TaskDiffsOptions) {
    this.#db = db;
    this.#options = options;
  }

  async getDiff(task: TaskRow, signal: AbortSignal): Promise<Diff> {
    if (!task.base_commit_sha) throw new WharfError("no_changes", { task_id: task.id });
    const link = await this.#getLink(task);
    if (link && !link.signal.aborted)
      return link.client.call(daemonApi.diff, { query: { base: task.base_commit_sha } }, { signal });
    const ownRuns = and(eq(runs.task_id, task.id), isNotNull(runs.repository_id));
    const [run] = await this.#db.select().from(runs).where(ownRuns).orderBy(desc(runs.created_at)).limit(1);
    if (!run?.repository_id) throw new WharfError("no_changes", { task_id: task.id });
    const { mirrors, secrets } = this.#options;
    return secrets.redactJson(await mirrors.diff(run.repository_id, task.base_commit_sha, task.shadow_branch, signal));
  }

  async #getLink({ assigned_agent_id }: TaskRow): Promise<Link | undefined> {
    if (!assigned_agent_id) return undefined;
    const [run] = await this.#db.select({ id: runs.runner_id }).from(runs).where(eq(runs.id, assigned_agent_id));
    return run?.id ? this.#options.links.get(run.id) : undefined;
  }
}
