import { sql } from "drizzle-orm";
import { bigserial, customType, index, pgTable, text, uuid } from "drizzle-orm/pg-core";
import { createNumberColumn, createTimeColumn } from "./columns.ts";
import { tasks } from "./tasks.ts";

const tsvector = customType<{ data: string }>({ dataType: () => "tsvector" });

/**
 * The words of tasks, for the search. They follow from the rows of tasks, their comments and their
 * logs, and the search reads the texts there. A trigger on events deletes the documents of events
 * that are deleted.
 */
export const search_documents = pgTable(
  "search_documents",
  {
    id: bigserial({ mode: "number" }).primaryKey(),
    task_id: uuid()
      .notNull()
      .references(() => tasks.id, { onDelete: "cascade" }),
    kind: text({ enum: ["task", "comment", "log"] }).notNull(),
    comment_id: uuid(),
    run_id: uuid(),
    /** The events whose texts, put together, are the document; both are null outside of logs. */
    first_seq: createNumberColumn(),
    last_seq: createNumberColumn(),
    created_at: createTimeColumn().notNull(),
    words: tsvector().notNull(),
  },
  (t) => [
    index("search_documents_words").using("gin", t.words),
    index("search_documents_log").on(t.task_id, t.first_seq),
    index("search_documents_texts")
      .on(t.task_id)
      .where(sql`kind <> 'log'`),
  ],
);

/** How far the log of each task is in the documents. */
export const search_positions = pgTable("search_positions", {
  task_id: uuid()
    .primaryKey()
    .references(() => tasks.id, { onDelete: "cascade" }),
  seq: createNumberColumn().notNull(),
  /** The first event of the last document, if later events may belong to it. */
  open_seq: createNumberColumn(),
});

/** The tasks whose logs may be longer than their positions. A trigger on events fills it. */
export const search_queue = pgTable(
  "search_queue",
  {
    task_id: uuid().primaryKey(),
    /** When the next attempt is due. */
    due_at: createTimeColumn().notNull().defaultNow(),
  },
  (t) => [index("search_queue_due").on(t.due_at)],
);
