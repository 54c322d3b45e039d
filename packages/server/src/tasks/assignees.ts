import { WharfError } from "@wharf/contract";
import { and, eq } from "drizzle-orm";
import { isVisibleBoard, type Scope } from "../access/index.ts";
import type { Log } from "../events/index.ts";
import { type Database, type ExpectedVersions, schema } from "../store/index.ts";
import { findAssignee } from "./find-assignee.ts";
import { lockTask } from "./tasks.ts";

const { boards, tasks } = schema;

/** The people to whom tasks are assigned. */
export class Assignees {
  readonly #db: Database;
  readonly #log: Log;

  constructor(db: Database, log: Log) {
    this.#db = db;
    this.#log = log;
  }

  /** Assigns a task to a person who sees its board, or ends its assignment. */
  async assign(
    scope: Scope,
    taskId: string,
    { user, expected }: { user: string | undefined; expected?: ExpectedVersions },
  ): Promise<void> {
    const assignee = user === undefined ? undefined : await findAssignee(this.#db, scope, user);
    await this.#log.write(async ({ tx, append }) => {
      const task = await lockTask(tx, taskId, expected);
      if (task.assignee_id === (assignee?.id ?? null)) return;
      if (assignee) {
        const isVisible = isVisibleBoard({ ...scope, user_id: assignee.id, role: assignee.role });
        const [board] = await tx
          .select({ id: boards.id })
          .from(boards)
          .where(and(eq(boards.id, task.board_id), isVisible));
        if (!board) throw new WharfError("assignee_without_access", { user: assignee.username });
      }
      const change = { assignee_id: assignee?.id ?? null, updated_at: new Date() };
      await tx.update(tasks).set(change).where(eq(tasks.id, taskId));
      const data = {
        kind: "update" as const,
        fields: ["assignee_id"],
        values: assignee ? { assignee_id: assignee.id } : {},
      };
      await append(taskId, [{ created_by: scope.user_id, data }]);
    });
  }
}
