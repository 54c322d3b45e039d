import { and, eq, isNull } from "drizzle-orm";
import { schema } from "../store/index.ts";

const { boards, tasks } = schema;

/** What is on a person's boards; deleted tasks and boards are nowhere. */
export const isVisibleTo = (ownerId: string) =>
  and(eq(boards.owner_id, ownerId), isNull(boards.deleted_at), isNull(tasks.deleted_at));
