import { WharfError } from "@wharf/contract";
import { and, asc, desc, eq, isNotNull } from "drizzle-orm";
import { type Database, schema } from "../../store/index.ts";

const { turns } = schema;

/** The commits between which a turn worked. Without `head` the turn is still running. */
export interface TurnCommits {
  readonly base: string;
  readonly head?: string;
}

/** Finds the commits of a task's turn, which `choice` names by its number, its id or `last`. */
export async function findTurnCommits(db: Database, taskId: string, choice: string): Promise<TurnCommits> {
  const turn = await findTurn(db, taskId, choice);
  if (!turn) throw new WharfError("turn_not_found", { id: choice });
  const { base_commit_sha: base, commit_sha: commit, state } = turn;
  if (!base) throw new WharfError("turn_without_commits", { turn: choice, state });
  return state === "RUNNING" ? { base } : { base, head: commit ?? base };
}

async function findTurn(db: Database, taskId: string, choice: string) {
  const ofTask = eq(turns.task_id, taskId);
  const columns = { state: turns.state, base_commit_sha: turns.base_commit_sha, commit_sha: turns.commit_sha };
  const select = db.select(columns).from(turns).limit(1).$dynamic();
  const number = /^\d+$/.test(choice) ? Number(choice) : undefined;
  if (number !== undefined)
    select
      .where(ofTask)
      .orderBy(asc(turns.created_at), asc(turns.id))
      .offset(number - 1);
  else if (choice === "last")
    select.where(and(ofTask, isNotNull(turns.started_at))).orderBy(desc(turns.created_at), desc(turns.id));
  else select.where(and(ofTask, eq(turns.id, choice)));
  return (await select)[0];
}
