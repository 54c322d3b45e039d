import { type SQL, sql } from "drizzle-orm";
import { findMember, type MemberRow, type VisibilityScope } from "../access/index.ts";
import { type Database, missingUserId } from "../store/index.ts";

/** Finds a user of the organisation by an id, a name or `me`. */
export const findAssignee = (db: Database, scope: VisibilityScope, user: string): Promise<MemberRow> =>
  findMember(db, scope, user === "me" ? scope.user_id : user);

/** Selects the tasks of a person, or of `none`, by the expression of their index. */
export async function createAssigneeCondition(db: Database, scope: VisibilityScope, assignee: string): Promise<SQL> {
  const id = assignee === "none" ? missingUserId : (await findAssignee(db, scope, assignee)).id;
  return sql`coalesce(assignee_id, ${sql.raw(`'${missingUserId}'::uuid`)}) = ${id}::uuid`;
}
