import { type Diff, type GitDiff, gitApi, WharfError } from "@wharf/contract";
import { and, desc, eq, isNotNull } from "drizzle-orm";
import type { Mirrors } from "../../gateway/index.ts";
import type { KnownSecrets } from "../../redaction/index.ts";
import type { Link } from "../../runners/index.ts";
import { type Database, schema } from "../../store/index.ts";
import type { TaskRow } from "../../tasks/index.ts";
import type { LinksByRunner } from "../shared/deps.ts";
import { findTurnCommits } from "./turn-commits.ts";

const { runs } = schema;

interface TaskDiffsOptions {
  readonly mirrors: Mirrors;
  readonly links: LinksByRunner;
  readonly secrets: KnownSecrets;
}

export interface DiffQuery {
  /** Chooses the changes of one turn. */
  readonly turn?: string | undefined;
  /** Restricts the changes to this file or folder. */
  readonly path?: string | undefined;
  /** Leaves out the patch. */
  readonly stat: boolean;
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

  async getDiff(task: TaskRow, { turn, ...part }: DiffQuery, signal: AbortSignal): Promise<Diff> {
    if (!task.base_commit_sha) throw new WharfError("no_changes", { task_id: task.id });
    const commits = turn === undefined ? undefined : await findTurnCommits(this.#db, task.id, turn);
    const { base, head }: { base: string; head?: string } = commits ?? { base: task.base_commit_sha };
    const link = await this.#getLink(task);
    if (link && !link.signal.aborted) {
      const query = { base, ...part, stat: String(part.stat), ...(head !== undefined && { head }) };
      try {
        return toDiff(await link.client.call(gitApi.gitDiff, { query }, { signal }));
      } catch (error) {
        // A run that ends meanwhile leaves its branch.
        if (!link.signal.aborted) throw error;
      }
    }
    const ownRuns = and(eq(runs.task_id, task.id), isNotNull(runs.repository_id));
    const [run] = await this.#db.select().from(runs).where(ownRuns).orderBy(desc(runs.created_at)).limit(1);
    if (!run?.repository_id) throw new WharfError("no_changes", { task_id: task.id });
    const { mirrors, secrets } = this.#options;
    const reader = mirrors.openReader(run.repository_id);
    const diff = head
      ? reader.compare({ base, head, ...part }, signal)
      : reader.compareBranch({ base, branch: task.shadow_branch, ...part }, signal);
    return secrets.redactJson(toDiff(await diff));
  }

  async #getLink({ assigned_agent_id }: TaskRow): Promise<Link | undefined> {
    if (!assigned_agent_id) return undefined;
    const [run] = await this.#db.select({ id: runs.runner_id }).from(runs).where(eq(runs.id, assigned_agent_id));
    return run?.id ? this.#options.links.get(run.id) : undefined;
  }
}

const toDiff = ({ files, ...diff }: GitDiff): Diff => ({
  ...diff,
  files: files.map(({ path, additions, deletions }) => ({ path, additions, deletions })),
});
