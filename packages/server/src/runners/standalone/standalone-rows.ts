import { randomUUID } from "node:crypto";
import { type BoardRole, type RunnerCreate, type RunnerState, tiers, WharfError } from "@wharf/contract";
import { and, eq, getTableColumns, inArray, isNotNull, ne, or, type SQL, sql } from "drizzle-orm";
import {
  isOnVisibleBoard,
  isVisibleBoard,
  requireBoardPermission,
  type Scope,
  selectBoardRole,
  type VisibilityScope,
} from "../../access/index.ts";
import type { Backend } from "../../backends/index.ts";
import {
  countNewest,
  createCursorLookup,
  toPage,
  type Database,
  type Executor,
  createIdCondition,
  type NewestQuery,
  type PageQuery,
  readNewestKeys,
  schema,
  sortByKeys,
} from "../../store/index.ts";
import { recordDisks } from "../../usage/index.ts";
import { requestHolders, createLease, type Lease } from "../leases/index.ts";
import type { RunnerRow } from "../runners.ts";
import { getResources, toLimits } from "../sizes.ts";
import { readRunnerDetails, type RunnerDetails } from "./runner-details.ts";

const { runners, runs } = schema;

/** A runner with the newest run it was created for. A runner without a run is standalone. */
export type RunnerWithRun = RunnerRow & { readonly run_id: string | null };

/** Table names are literal because drizzle omits them in selected columns. */
const runId = sql<string | null>`(
  select r.id from runs r where r.runner_id = "runners"."id" order by r.created_at desc limit 1
)`;

/** The standalone runners that a person created; admins see all of their organisation. */
const isOwn = ({ organization_id, user_id, role }: VisibilityScope): SQL =>
  role === "admin"
    ? sql`runners.organization_id = ${organization_id}`
    : sql`runners.organization_id = ${organization_id} and runners.owner_id = ${user_id}`;

/** A person's role for a visible runner: for that of a run, the role on its board. */
const selectRole = (scope: VisibilityScope) =>
  sql<BoardRole>`case when runners.board_id is null then 'owner'
    else (select ${selectBoardRole(scope)} from boards where boards.id = runners.board_id) end`;

type RunnerOwner = Pick<Scope, "organization_id" | "user_id">;

/** Returns the columns that assign a runner to a person, with the person's options. */
export function toRunnerClaim({ organization_id, user_id }: RunnerOwner, input: RunnerCreate) {
  const { name = null, tier, environment, request_id = null, image = null, model_route = null } = input;
  const resources = getResources(input);
  return { name, tier, environment, organization_id, owner_id: user_id, resources, request_id, image, model_route };
}

export interface NewStandaloneRunner extends RunnerCreate {
  readonly backend: Pick<Backend, "name" | "can" | "maxDiskBytes">;
  readonly server_id: string;
  readonly place: string;
}

/**
 * Stores a runner, leased by this server. A repeated call with the same id or request returns the
 * existing runner, without a lease.
 */
export async function createStandaloneRunner(
  db: Database,
  owner: RunnerOwner,
  input: NewStandaloneRunner,
): Promise<{ runner: RunnerRow; lease?: Lease }> {
  const { id = randomUUID(), backend, server_id, place } = input;
  const values = { ...toRunnerClaim(owner, input), id, backend: backend.name, isolation: backend.can.isolation };
  const created = await db.transaction(async (tx) => {
    const [runner] = await tx.insert(runners).values(values).onConflictDoNothing().returning();
    if (!runner) return undefined;
    await recordStandaloneDisk(tx, runner, backend);
    return { runner, lease: await createLease(tx, { runner_id: id, server_id, place }) };
  });
  if (created) return created;
  const existing = await getRequestedRunner(db, owner, { ...input, id });
  if (!existing) throw new WharfError("runner_already_exists", {});
  return { runner: existing };
}

/** Counts the disk of a runner from the moment at which a person has it. */
export async function recordStandaloneDisk(
  tx: Executor,
  { id, resources }: RunnerRow,
  { maxDiskBytes = Infinity }: Pick<Backend, "maxDiskBytes">,
): Promise<void> {
  const { diskBytes } = toLimits(resources ?? tiers.small);
  await recordDisks(tx, [{ runner_id: id, disk_bytes: Math.min(diskBytes, maxDiskBytes) }]);
}

/**
 * Finds the runner that an earlier identical request created. A destroyed runner is not created
 * again.
 */
async function getRequestedRunner(
  db: Database,
  { user_id, organization_id }: RunnerOwner,
  { id, request_id }: Pick<RunnerCreate, "id" | "request_id">,
): Promise<RunnerRow | undefined> {
  const same = [id && eq(runners.id, id), request_id && eq(runners.request_id, request_id)].filter((one) => !!one);
  if (same.length === 0) return undefined;
  const [existing] = await db
    .select()
    .from(runners)
    .where(and(or(...same), eq(runners.owner_id, user_id), eq(runners.organization_id, organization_id)));
  if (existing?.desired === "DESTROYED") throw new WharfError("runner_already_exists", {});
  return existing;
}

export interface RunnerQuery extends PageQuery {
  readonly status?: RunnerState | undefined;
}

/** Counting of runners stops at this limit. */
const maxCounted = 10_000;

export interface RunnerPage {
  readonly runners: (Omit<RunnerWithRun, "environment"> & Partial<RunnerDetails>)[];
  readonly total: number;
  readonly total_capped?: true;
  readonly next_cursor?: string;
}

/** Returns the newest runners first, without the environments, which may be long. */
export async function listVisibleRunners(
  db: Database,
  scope: VisibilityScope,
  query: RunnerQuery,
): Promise<RunnerPage> {
  const where = query.status ? sql`state = ${query.status}` : sql`state <> 'DESTROYED'`;
  const newest: NewestQuery = { table: "runners", where, boards: isVisibleBoard(scope), own: isOwn(scope) };
  const [keys, total] = await Promise.all([readNewestKeys(db, newest, query), countNewest(db, newest, maxCounted)]);
  const { environment: _, ...columns } = getTableColumns(runners);
  const ids = keys.map(({ id }) => id);
  const [rows, details] = await Promise.all([
    db
      .select({ ...columns, run_id: runId })
      .from(runners)
      .where(sql`${runners.id} = any(${sql.param(ids)}::uuid[])`),
    readRunnerDetails(db, ids),
  ]);
  const detailedRows = rows.map((row) => ({ ...row, ...details.get(row.id) }));
  const cut = { limit: query.limit, cursorAfter: createCursorLookup(keys) };
  const { rows: page, ...end } = toPage(sortByKeys(detailedRows, keys), cut);
  return { runners: page, ...total, ...end };
}

/** Finds a runner by its id or a prefix of it. */
export async function getVisibleRunner(db: Database, scope: Scope, id: string): Promise<RunnerWithRun> {
  const matches = createIdCondition(runners.id, id);
  if (!matches) throw new WharfError("runner_not_found", { id });
  const rows = await db
    .select({ runner: { ...getTableColumns(runners), run_id: runId }, role: selectRole(scope) })
    .from(runners)
    .where(and(matches, or(isOwn(scope), isOnVisibleBoard(scope, sql`runners.board_id`))))
    .limit(2);
  if (rows.length > 1) throw new WharfError("ambiguous_id", { what: "runner", id });
  if (!rows[0]) throw new WharfError("runner_not_found", { id });
  requireBoardPermission(scope, rows[0].role);
  return rows[0].runner;
}

/**
 * Stores the desired state of a standalone runner and requests its holder; returns false if the
 * runner is being destroyed.
 */
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

/** Stops all standalone runners, for a server shutdown that includes its runners. */
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

/** Whether a run works in the runner, so that its link belongs to the run. */
export async function hasActiveRun(db: Database, runnerId: string): Promise<boolean> {
  const [row] = await db
    .select({ id: runs.id })
    .from(runs)
    .where(and(eq(runs.runner_id, runnerId), inArray(runs.status, ["STARTING", "RUNNING", "PAUSED"])))
    .limit(1);
  return row !== undefined;
}
