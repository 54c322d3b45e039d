import { eq } from "drizzle-orm";
import type { LogWriter } from "../../events/index.ts";
import { schema } from "../../store/index.ts";
import { type LockedTask, moveTask } from "../../tasks/index.ts";
import { continueLastTurn } from "./continue-turn.ts";

const { tasks } = schema;

/** Some providers limit the use of a week. A later reset is a mistake, or nothing to wait for. */
const maxWaitMs = 8 * 24 * 3_600_000;
/**
 * The shortest wait before the first resume. It doubles with each further resume, so that the times
 * of a provider that are always wrong cost few turns.
 */
const minWaitMs = 60_000;
const longestMinWaitMs = 3_600_000;
/** Wharf resumes a task this often without a person's prompt in between. */
const maxResumes = 10;
const continuePrompt =
  "Your last turn ended because the model's provider limited requests. Check the state of the workspace, then continue with the request.";

interface ProviderLimit {
  /** When the provider's limit resets, by its own account, in ms since the epoch. */
  readonly resetMs: number;
  /** How often Wharf has resumed the task since the last prompt of a person. */
  readonly resumes: number;
}

/**
 * Returns when to resume a task after its provider's limit, in ms since the epoch; undefined if
 * that is up to a person.
 */
export function getResumeTime({ resetMs, resumes }: ProviderLimit, nowMs = Date.now()): number | undefined {
  if (resumes >= maxResumes || !(resetMs <= nowMs + maxWaitMs)) return undefined;
  return Math.max(resetMs, nowMs + Math.min(minWaitMs * 2 ** resumes, longestMinWaitMs));
}

/** Blocks a task whose turn has ended because of a provider's limit until the limit resets. */
export async function waitForReset(writer: LogWriter, task: LockedTask, resumeMs: number): Promise<void> {
  const resumeAt = new Date(resumeMs);
  const time = resumeAt.toISOString();
  await moveTask(writer, task, "BLOCKED", {
    reason: `the model's provider limits requests; Wharf resumes the task at ${time}`,
  });
  await writer.tx.update(tasks).set({ resume_at: resumeAt }).where(eq(tasks.id, task.id));
  const id = task.id.slice(0, 8);
  const message = `Wharf resumes the task at ${time}, after the limit of the model's provider. \`wharf task resume ${id}\` resumes it now, \`wharf task stop ${id}\` leaves it to you.`;
  await writer.append(task.id, [{ data: { kind: "notice", message } }]);
}

/**
 * Prompts the agent of a task that waits for a reset to continue: in the name of the person who
 * resumes it early, or of the one who prompted its last turn. If only a person can continue the
 * task, it stays BLOCKED. Returns whether there is a prompt.
 */
export async function resumeAfterLimit(writer: LogWriter, task: LockedTask, userId?: string): Promise<boolean> {
  const resumes = userId === undefined ? task.limit_resumes + 1 : 0;
  await writer.tx.update(tasks).set({ resume_at: null, limit_resumes: resumes }).where(eq(tasks.id, task.id));
  const isContinued = await continueLastTurn(writer, task, {
    text: continuePrompt,
    ...(userId !== undefined && { by: userId }),
  });
  const message = "The limit of the model's provider is over. The task waits for a prompt.";
  if (!isContinued) await writer.append(task.id, [{ data: { kind: "notice", message } }]);
  return isContinued;
}
