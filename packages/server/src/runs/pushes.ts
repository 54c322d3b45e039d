import { toWharfError } from "@wharf/contract";
import { and, asc, eq, lte, sql } from "drizzle-orm";
import { schema } from "../store/index.ts";
import { lockTask } from "../tasks/index.ts";
import type { RunDeps } from "./deps.ts";
import { shownUrl } from "./shown-url.ts";

const { pushes, runs, tasks } = schema;

/** While one server pushes a branch, no other begins to. */
const claimSeconds = 120;
const firstDelay = 2_000; // ms
const maxDelay = 300_000; // ms
const maxAttempts = 20;
/** What trying again can mend. */
const passing: ReadonlySet<string> = new Set(["repository_unreachable", "internal", "disk_full"]);

/** Carries branches from the mirrors to the real remotes until the log says `pushed`, or says why not. */
export async function forwardPushes(deps: RunDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const push = await claimPush(deps);
    if (!push) return;
    await forwardPush(deps, push, signal);
  }
}

type PushRow = typeof pushes.$inferSelect;

async function claimPush(deps: RunDeps): Promise<PushRow | undefined> {
  return deps.db.transaction(async (tx) => {
    const due = and(eq(pushes.state, "MIRRORED"), lte(pushes.next_attempt_at, sql`now()`));
    const [push] = await tx
      .select()
      .from(pushes)
      .where(due)
      .orderBy(asc(pushes.next_attempt_at))
      .limit(1)
      .for("update", { skipLocked: true });
    if (!push) return undefined;
    await tx
      .update(pushes)
      .set({ next_attempt_at: sql`now() + make_interval(secs => ${claimSeconds})`, attempts: push.attempts + 1 })
      .where(eq(pushes.task_id, push.task_id));
    return push;
  });
}

async function forwardPush(deps: RunDeps, push: PushRow, signal: AbortSignal): Promise<void> {
  const [row] = await deps.db
    .select()
    .from(tasks)
    .innerJoin(runs, eq(runs.id, push.run_id))
    .where(eq(tasks.id, push.task_id));
  if (!row?.tasks.repository_url || !row.runs.repository_id) return;
  const { shadow_branch: branch, repository_url: url } = row.tasks;
  try {
    await deps.mirrors.forward({ url, repository_id: row.runs.repository_id, branch, sha: push.sha, signal });
    await settle(deps, push, { ref: branch, remote: shownUrl(url) });
  } catch (thrown) {
    if (signal.aborted) return;
    const error = toWharfError(thrown, push.task_id);
    if (passing.has(error.code) && push.attempts + 1 < maxAttempts) {
      const delay = Math.min(maxDelay, firstDelay * 2 ** push.attempts);
      const change = { next_attempt_at: new Date(Date.now() + delay), error_message: error.message };
      await deps.db
        .update(pushes)
        .set(change)
        .where(and(eq(pushes.task_id, push.task_id), eq(pushes.sha, push.sha)));
      deps.logger.warn({ task_id: push.task_id, error: thrown }, "a push to the remote failed and is tried again");
    } else await settle(deps, push, { ref: branch, remote: shownUrl(url), failed: `${error.message} ${error.next}` });
  }
}

/** Writes the push's end into its row and the log together. A newer commit that came meanwhile keeps its own row. */
async function settle(
  deps: RunDeps,
  push: PushRow,
  end: { ref: string; remote: string; failed?: string },
): Promise<void> {
  await deps.log.write(async ({ tx, append }) => {
    await lockTask(tx, push.task_id);
    const state = end.failed ? ("FAILED" as const) : ("PUSHED" as const);
    const same = and(eq(pushes.task_id, push.task_id), eq(pushes.sha, push.sha), eq(pushes.state, "MIRRORED"));
    const changed = await tx
      .update(pushes)
      .set({ state, error_message: end.failed ?? null })
      .where(same)
      .returning();
    if (changed.length === 0) return;
    const data = {
      kind: "push" as const,
      status: end.failed ? ("failed" as const) : ("pushed" as const),
      ref: end.ref,
      sha: push.sha,
      remote: end.remote,
    };
    await append(push.task_id, [
      {
        run_id: push.run_id,
        data: { ...data, ...(end.failed && { message: end.failed }) },
        type: end.failed ? "error" : "result",
      },
    ]);
  });
}
