import type { BoardRole } from "@wharf/contract";
import { type Placeholder, type SQL, sql } from "drizzle-orm";
import type { Scope } from "./scope.ts";

/**
 * Which rows a scope sees. Everything on a board is as visible as the board: these conditions are
 * the only ones that decide. What a scope does not see counts as missing. The tables are named
 * literally, so that the conditions fit into any statement that reads `boards`.
 */
export type VisibilityScope = Pick<Scope, "organization_id" | "user_id" | "role">;

/** A scope whose ids a statement gets with each execution; its role decides what that says. */
export interface PlacedScope extends Pick<VisibilityScope, "role"> {
  readonly organization_id: Placeholder;
  readonly user_id: Placeholder;
}

/** The boards of the organisation that were shared with the person; its admins see all of them. */
export function isVisibleBoard({ organization_id, user_id, role }: VisibilityScope | PlacedScope): SQL {
  const isPresent = sql`boards.organization_id = ${organization_id} and boards.deleted_at is null`;
  if (role === "admin") return isPresent;
  return sql`${isPresent} and exists (
    select from board_members where board_members.board_id = boards.id and board_members.user_id = ${user_id})`;
}

/** The tasks on visible boards, in a statement that joins `tasks` with `boards`. */
export const isVisibleTask = (scope: VisibilityScope | PlacedScope): SQL =>
  sql`${isVisibleBoard(scope)} and tasks.deleted_at is null`;

/** Whether a column holds the id of a visible board. */
export const isOnVisibleBoard = (scope: VisibilityScope, boardId: SQL): SQL =>
  sql`${boardId} in (select boards.id from boards where ${isVisibleBoard(scope)})`;

/** The person's role on a visible board. */
export const selectBoardRole = ({ user_id, role }: VisibilityScope | PlacedScope): SQL<BoardRole> =>
  role === "admin"
    ? sql<BoardRole>`'owner'::text`
    : sql<BoardRole>`(select board_members.role from board_members
        where board_members.board_id = boards.id and board_members.user_id = ${user_id})`;

/** Usage that the person sees: their own, and that of visible boards; for admins all of it. */
export function isVisibleUsage(scope: VisibilityScope, { hasUser }: { readonly hasUser: boolean }): SQL {
  const inOrganization = sql`organization_id = ${scope.organization_id}`;
  if (scope.role === "admin") return inOrganization;
  const onBoard = isOnVisibleBoard(scope, sql`board_id`);
  return hasUser
    ? sql`${inOrganization} and (user_id = ${scope.user_id} or ${onBoard})`
    : sql`${inOrganization} and ${onBoard}`;
}
