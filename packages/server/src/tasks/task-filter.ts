import { TaskState, toList } from "@wharf/contract";
import { type SQL, sql } from "drizzle-orm";
import { type NewestQuery, type PageQuery, parseOrder } from "../store/index.ts";

export interface TaskFilter extends PageQuery {
  readonly board_id?: string;
  readonly state?: TaskState | readonly TaskState[] | undefined;
  /** Whether the list has the archived tasks or the others. */
  readonly archived?: boolean;
  /** A person, `me` or `none`. */
  readonly assignee?: string | undefined;
  readonly agent_type?: string | undefined;
  readonly repository?: string | undefined;
  readonly text?: string | undefined;
  readonly created_from?: string | undefined;
  readonly created_to?: string | undefined;
  readonly updated_from?: string | undefined;
  readonly updated_to?: string | undefined;
  readonly sort?: string | undefined;
}

const defaultOrder = "-created_at";

/**
 * Creates the query of a list of tasks. Every order but the usual one has an index for each state,
 * so a list of all states reads each of them.
 */
export function createTaskQuery(boards: SQL, filter: TaskFilter, conditions: readonly SQL[]): NewestQuery {
  const { sort = defaultOrder } = filter;
  const named = toList(filter.state);
  const isListed = filter.archived ? sql`archived_at is not null` : sql`archived_at is null`;
  const states = named ? [...new Set(named)] : sort === defaultOrder ? undefined : TaskState.options;
  return {
    table: "tasks",
    where: sql.join([sql`deleted_at is null`, isListed, ...conditions, ...createConditions(filter)], sql` and `),
    boards,
    boardId: filter.board_id,
    states,
    ...(sort !== defaultOrder && { order: parseOrder(sort) }),
  };
}

function createConditions(filter: TaskFilter): SQL[] {
  const conditions: readonly (readonly [string | undefined, (value: string) => SQL])[] = [
    [filter.agent_type, (value) => sql`agent_type = ${value}`],
    [filter.repository, (value) => sql`repository_url = ${value}`],
    [filter.text, (value) => sql`title ilike ${`%${value.replaceAll(/[\\%_]/g, "\\$&")}%`}`],
    [filter.created_from, (value) => sql`created_at >= ${value}::timestamptz`],
    [filter.created_to, (value) => sql`created_at < ${value}::timestamptz`],
    [filter.updated_from, (value) => sql`updated_at >= ${value}::timestamptz`],
    [filter.updated_to, (value) => sql`updated_at < ${value}::timestamptz`],
  ];
  return conditions.flatMap(([value, create]) => (value === undefined ? [] : [create(value)]));
}
