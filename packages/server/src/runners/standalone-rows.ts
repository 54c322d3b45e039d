import { randomUUID } from "node:crypto";
import { type RunnerCreate, type RunnerState, WharfError } from "@wharf/contract";
import { and, eq, getTableColumns, inArray, isNotNull, ne, or, type SQL, sql } from "drizzle-orm";
import type { Principal } from "../access/index.ts";
import type { Backend } from "../backends/index.ts";
import {
  countNewest,
  createCursorLookup,
  toPage,
  type Database,
  createIdCondition,
  type NewestQuery,
  type PageQuery,
  readNewestKeys,
  schema,
  sortByKeys,
} from "../store/index.ts";
import { requestHolders, createLease, type Lease } from "./leases/index.ts";
import type { RunnerRow } from "./runners.ts";
import { getResources } from "./sizes.ts";

const { boards, runners, runs } = schema;

/** A runner and the newest run it was made for. Without a run it was created by hand. */
export type RunnerWithRun = RunnerRow & { readonly run_id: string | null };

/** Names written out: in what is selected, drizzle leaves the table's away. */
const runId = sql<string | null>`(
  select r.id from runs r where r.runner_id = "runners"."id" order by r.created_at desc limit 1
)`;

/** A person's own: what they created by hand, and what the runs on their boards work in. */
const isVisible = (ownerId: string): SQL =>
  or(
    eq(runners.owner_id, ownerId),
    sql`exists (
      select 1 from ${boards}
      where ${boards.id} = ${runners.board_id} and ${boards.owner_id} = ${ownerId} and ${boards.deleted_at} is null
    )`,
  )!;

const selectRunners = (db: Database) => db.select({ ...getTableColumns(runners), run_id: runId }).from(runners);

/** What makes a runner a person's: whose it is, and what they want of it. */
export function toRunnerClaim({ organization_id, user_id }: Principal, input: RunnerCreate) {
  const { name = null, tier, environment, request_id = null, image = null, model_route = null } = input;
  const resources = getResources(input);
  return { name, tier, environment, organization_id, owner_id: user_id, resources, request_id, image, model_route };
}

export interface NewStandaloneRunner extends RunnerCreate {
  readonly backend: Pick<Backend, "name" | "can">;
  readonly server_id: string;
  readonly place: string;
}

/**
 * Writes a runner down, leased by this server. Asked again with the same id or for the same request it answers with the
 * one that is there, without a lease.
 */
export async function createStandaloneRunner(
  db: Database,
  principal: Principal,
  input: NewStandaloneRunner,
): Promise<{ runner: RunnerRow; lease?: Lease }> {
  const { id = randomUUID(), backend, server_id, place } = input;
  const values = { ...toRunnerClaim(principal, input), id, backend: backend.name, isolation: backend.can.isolation };
  const created = await db.transaction(async (tx) => {
    const [runner] = await tx.insert(runners).values(values).onConflictDoNothing().returning();
    return runner && { runner, lease: await createLease(tx, { runner_id: id, server_id, place }) };
  });
  if (created) return created;
  const existing = await getRequestedRunner(db, principal, { ...input, id });
  if (!existing) throw new WharfError("conflict", { what: "runner", from: "there already", to: "created" });
  return { runner: existing };
}

/** The runner that was made when the same was asked before. One that is gone is not made again. */
async function getRequestedRunner(
  db: Database,
  { user_id }: Principal,
  { id, request_id }: Pick<RunnerCreate, "id" | "request_id">,
): Promise<RunnerRow | undefined> {
  const same = [id && eq(runners.id, id), request_id && eq(runners.request_id, request_id)].filter((one) => !!one);
  if (same.length === 0) return undefined;
  const [existing] = await db
    .select()
    .from(runners)
    .where(and(or(...same), eq(runners.owner_id, user_id)));
  if (existing?.desired === "DESTROYED")
    throw new WharfError("conflict", { what: "runner", from: "there already", to: "created" });
  return existing;
}

export interface RunnerQuery extends PageQuery {
  readonly status?: RunnerState | undefined;
}

/** Runners are not counted beyond this. */
const maxCounted = 10_000;

export interface RunnerPage {
  readonly runners: Omit<RunnerWithRun, "environment">[];
  readonly total: number;
  readonly total_capped?: true;
  readonly next_cursor?: string;
}

/** Newest first, without the environments, which may be long. */
export async function listVisibleRunners(db: Database, ownerId: string, query: RunnerQuery): Promise<RunnerPage> {
  const where = query.status ? sql`state = ${query.status}` : sql`state <> 'DESTROYED'`;
  const newest: NewestQuery = { table: "runners", where, ownerId, own: sql`owner_id = ${ownerId}` };
  const [keys, total] = await Promise.all([readNewestKeys(db, newest, query), countNewest(db, newest, maxCounted)]);
  const { environment: _, ...columns } = getTableColumns(runners);
  const rows = await db
    .select({ ...columns, run_id: runId })
    .from(runners)
    .where(sql`${runners.id} = any(${sql.param(keys.map(({ id }) => id))}::uuid[])`);
  const cut = { limit: query.limit, cursorAfter: createCursorLookup(keys) };
  const { rows: page, ...end } = toPage(sortByKeys(rows, keys), cut);
  return { runners: page, ...total, ...end };
}

/** By its id or the beginning of one. */
export async function getVisibleRunner(db: Database, ownerId: string, id: string): Promise<RunnerWithRun> {
  const matches = createIdCondition(runners.id, id);
  if (!matches) throw new WharfError("not_found", { what: "runner", id });
  const rows = await selectRunners(db)
    .where(and(matches, isVisible(ownerId)))
    .limit(2);
  if (rows.length > 1) throw new WharfError("ambiguous_id", { what: "runner", id });
  if (!rows[0]) throw new WharfError("not_found", { what: "runner", id });
  return rows[0];
}

/** Writes down what a person wants of a runner they created, and calls for its holder; false where it is being destroyed. */
export function setDesiredState(
  db: Database,
  id: string,
  change: Partial<Pick<RunnerRow, "desired" | "state" | "error_message">>,
): Promise<boolean> {
  return db.transaction(async (tx) => {
    const rows = await tx
      .update(runners)
      .set({ ...change, updated_at: new Date() })
      .where(and(eq(runners.id, id), ne(runners.desired, "DESTROYED")))
      .returning({ id: runners.id });
    await requestHolders(tx, [id]);
    return rows.length > 0;
  });
}

/** Lets all of them rest: when the server is taken down with its runners. */
export function stopAllStandalone(db: Database): Promise<string[]> {
  return db.transaction(async (tx) => {
    const rows = await tx
      .update(runners)
      .set({ desired: "STOPPED", updated_at: new Date() })
      .where(and(isNotNull(runners.owner_id), eq(runners.desired, "READY")))
      .returning({ id: runners.id });
    const ids = rows.map(({ id }) => id);
    await requestHolders(tx, ids);
    return ids;
  });
}

/** Whether a run works in the runner, so that its wire is the run's. */
export async function hasActiveRun(db: Database, runnerId: string): Promise<boolean> {
  const [row] = await db
    .select({ id: runs.id })
    .from(runs)
    .where(and(eq(runs.runner_id, runnerId), inArray(runs.status, ["STARTING", "RUNNING", "PAUSED"])))
    .limit(1);
  return row !== undefined;
}
