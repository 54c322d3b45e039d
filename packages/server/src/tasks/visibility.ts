import { and, eq, isNull } from "drizzle-orm";
import { schema } from "../store/index.ts";

const { boards, tasks } = schema;

/** Selects rows on a person's boards, without deleted tasks and boards. */
export const isVisibleTo = (ownerId: string) =>
  and(eq(boards.owner_id, ownerId), isNull(boards.deleted_at), isNull(tasks.deleted_at));
