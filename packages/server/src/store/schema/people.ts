import { sql } from "drizzle-orm";
import { index, pgTable, text, timestamp, uuid, varchar } from "drizzle-orm/pg-core";
import { stamps } from "./columns.ts";

/**
 * A tenant. A laptop has one; every board and user has belonged to one since the first migration.
 */
export const organizations = pgTable("organizations", {
  id: uuid().primaryKey(),
  name: varchar({ length: 255 }).notNull(),
  slug: varchar({ length: 63 }).notNull().unique(),
  ...stamps,
});

export const users = pgTable(
  "users",
  {
    id: uuid().primaryKey(),
    organization_id: uuid()
      .notNull()
      .references(() => organizations.id, { onDelete: "cascade" }),
    email: varchar({ length: 255 }).notNull().unique(),
    username: varchar({ length: 100 }).notNull().unique(),
    /** Absent for the owner of a laptop, who authenticates with the owner token. */
    password_hash: text(),
    role: text({ enum: ["admin", "member", "viewer"] })
      .notNull()
      .default("member"),
    ...stamps,
  },
  (t) => [index("users_organization").on(t.organization_id)],
);

export const boards = pgTable(
  "boards",
  {
    id: uuid().primaryKey(),
    organization_id: uuid()
      .notNull()
      .references(() => organizations.id, { onDelete: "cascade" }),
    name: varchar({ length: 255 }).notNull(),
    description: text().notNull().default(""),
    owner_id: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    /**
     * When the board was deleted. A deleted board is invisible while a job removes its rows in
     * small steps.
     */
    deleted_at: timestamp({ withTimezone: true }),
    ...stamps,
  },
  (t) => [
    index("boards_owner").on(t.owner_id, t.created_at, t.id),
    index("boards_organization").on(t.organization_id),
    index("boards_deleted")
      .on(t.deleted_at)
      .where(sql`deleted_at is not null`),
  ],
);
