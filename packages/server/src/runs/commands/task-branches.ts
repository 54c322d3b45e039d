import { WharfError } from "@wharf/contract";
import { and, desc, eq, isNotNull } from "drizzle-orm";
import type { MirrorReader, Mirrors } from "../../gateway/index.ts";
import type { KnownSecrets } from "../../redaction/index.ts";
import { type Database, schema } from "../../store/index.ts";
import type { TaskRow } from "../../tasks/index.ts";

const { boards, runs } = schema;

/** The branch of a task as the mirror has it, without a runner. */
export interface TaskBranch {
  readonly reader: Omit<MirrorReader, "readFile">;
  /** Reads a file of a commit, without the secrets that the server knows. */
  readonly readFile: MirrorReader["readFile"];
  readonly branch: string;
  /** The newest commit of the branch. */
  readonly head: string;
  /** The commit from which the task's work started. */
  readonly base: string;
}

/** Opens the branches of tasks in the mirrors of their repositories. */
export class TaskBranches {
  readonly #db: Database;
  readonly #mirrors: Mirrors;
  readonly #secrets: KnownSecrets;

  constructor(db: Database, { mirrors, secrets }: { mirrors: Mirrors; secrets: KnownSecrets }) {
    this.#db = db;
    this.#mirrors = mirrors;
    this.#secrets = secrets;
  }

  /** Fetches the branch from the remote if this server's mirror does not have it. */
  async open(task: TaskRow, signal: AbortSignal): Promise<TaskBranch> {
    const { base_commit_sha: base, repository_url: url, shadow_branch: branch } = task;
    const id = await this.#findRepository(task.id);
    if (!base || !url || !id) throw new WharfError("no_changes", { task_id: task.id });
    if (!(await this.#mirrors.exists(id)) || !(await this.#mirrors.head(id, branch))) {
      const [board] = await this.#db
        .select({ organization_id: boards.organization_id })
        .from(boards)
        .where(eq(boards.id, task.board_id));
      await this.#mirrors.ensure(url, { ...board, signal, shadow_branch: branch });
    }
    const reader = this.#mirrors.openReader(id);
    // A task without a commit has no branch yet.
    const head = (await this.#mirrors.head(id, branch)) ?? base;
    const readFile: MirrorReader["readFile"] = async (...file) =>
      Buffer.from(this.#secrets.matcher.redact(await reader.readFile(...file), { isEnd: true }).bytes);
    return { reader, readFile, branch, head, base };
  }

  async #findRepository(taskId: string): Promise<string | null | undefined> {
    const [run] = await this.#db
      .select({ id: runs.repository_id })
      .from(runs)
      .where(and(eq(runs.task_id, taskId), isNotNull(runs.repository_id)))
      .orderBy(desc(runs.created_at))
      .limit(1);
    return run?.id;
  }
}
