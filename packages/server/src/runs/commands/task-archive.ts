import { WharfError } from "@wharf/contract";
import { eq } from "drizzle-orm";
import type { Log } from "../../events/index.ts";
import { schema } from "../../store/index.ts";
import { lockTask } from "../../tasks/index.ts";
import { stopRun } from "../state/stop-run.ts";
import { lockLiveRun } from "../state/turn-queue.ts";

const { tasks } = schema;
const archiveUpdate = { kind: "update" as const, fields: ["archived_at"] };

/**
 * Archives and restores tasks. Archiving ends the run of an agent that waits for its next prompt,
 * and refuses a task whose work has not ended. `OldRunnerCleanup` discards the runner later.
 */
export class TaskArchive {
  readonly #log: Log;
  readonly #poke: (taskId: string) => void;

  constructor(log: Log, poke: (taskId: string) => void) {
    this.#log = log;
    this.#poke = poke;
  }

  async archive(taskId: string, { by: userId }: { by: string }): Promise<void> {
    await this.#log.write(async (writer) => {
      const task = await lockTask(writer.tx, taskId);
      if (task.archived_at !== null) return;
      if (task.state === "IN_PROGRESS" || task.state === "BLOCKED")
        throw new WharfError("task_at_work", { task_id: taskId, state: task.state });
      const run = await lockLiveRun(writer.tx, taskId);
      if (run) await stopRun(writer, run, { status: "STOPPED", reason: "the task was archived" });
      const archivedAt = new Date();
      await writer.tx
        .update(tasks)
        .set({ archived_at: archivedAt, updated_at: archivedAt })
        .where(eq(tasks.id, taskId));
      await writer.append(taskId, [
        { created_by: userId, data: { ...archiveUpdate, values: { archived_at: archivedAt.toISOString() } } },
      ]);
    });
    this.#poke(taskId);
  }

  async restore(taskId: string, { by: userId }: { by: string }): Promise<void> {
    await this.#log.write(async (writer) => {
      const task = await lockTask(writer.tx, taskId);
      if (task.archived_at === null) return;
      await writer.tx.update(tasks).set({ archived_at: null, updated_at: new Date() }).where(eq(tasks.id, taskId));
      await writer.append(taskId, [{ created_by: userId, data: { ...archiveUpdate, values: {} } }]);
    });
  }
}
