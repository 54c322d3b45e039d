import { asc, sql } from "drizzle-orm";
import type { Log } from "../../events/index.ts";
import { type Database, schema } from "../../store/index.ts";
import { lockTask } from "../../tasks/index.ts";
import { resumeAfterLimit } from "../state/provider-limit.ts";
import { lockLiveRun } from "../state/turn-queue.ts";
import type { MaintenanceJob } from "./maintenance.ts";

const { tasks } = schema;

/** Tasks that one step resumes. */
const maxTasksPerStep = 100;

export interface LimitWaitsOptions {
  readonly db: Database;
  readonly log: Log;
  /** Called for each task that has a new prompt. */
  readonly onPrompt: (taskId: string) => void;
}

/**
 * Resumes tasks when the limit of their model's provider has reset. The prompt and the end of the
 * wait are one transaction under the task's lock, so that a crash or a second server repeats
 * nothing.
 */
export class LimitWaits implements MaintenanceJob {
  readonly name = "tasks that wait for a provider's limit";
  readonly #options: LimitWaitsOptions;

  constructor(options: LimitWaitsOptions) {
    this.#options = options;
  }

  async step(): Promise<boolean> {
    const { db, log, onPrompt } = this.#options;
    const due = await db
      .select({ id: tasks.id, resume_at: tasks.resume_at })
      .from(tasks)
      .where(sql`${tasks.resume_at} <= now() and ${tasks.state} = 'BLOCKED' and ${tasks.deleted_at} is null`)
      .orderBy(asc(tasks.resume_at))
      .limit(maxTasksPerStep);
    let resumed = 0;
    for (const { id, resume_at } of due) {
      const outcome = await log.write(async (writer) => {
        const task = await lockTask(writer.tx, id);
        if (task.state !== "BLOCKED" || task.resume_at?.getTime() !== resume_at?.getTime()) return "changed";
        // A run that is ending cannot take a prompt. The next round looks again.
        if ((await lockLiveRun(writer.tx, id))?.desired === "STOP") return "ending";
        return (await resumeAfterLimit(writer, task)) ? "prompted" : "changed";
      });
      if (outcome !== "ending") resumed++;
      if (outcome === "prompted") onPrompt(id);
    }
    return resumed === maxTasksPerStep;
  }
}
