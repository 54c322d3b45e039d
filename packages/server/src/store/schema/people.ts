import { pgTable, text, timestamp, uuid, varchar } from "drizzle-orm/pg-core";

/** Timestamps of every row: when it was made and when it last changed. */
export const stamps = {
  created_at: timestamp({ withTimezone: true }).notNull().defaultNow(),
  updated_at: timestamp({ withTimezone: true })
    .notNull()
    .defaultNow()
    .$onUpdate(() => new Date()),
};

/** A tenant. A laptop has one; every board and user belongs to one from the first migration on. */
export const organizations = pgTable("organizations", {
  id: uuid().primaryKey(),
  name: varchar({ length: 255 }).notNull(),
  slug: varchar({ length: 63 }).notNull().unique(),
  ...stamps,
});

export const users = pgTable("users", {
  id: uuid().primaryKey(),
  organization_id: uuid()
    .notNull()
    .references(() => organizations.id, { onDelete: "cascade" }),
  email: varchar({ length: 255 }).notNull().unique(),
  username: varchar({ length: 100 }).notNull().unique(),
  /** Absent for the owner of a laptop, who proves who they are with the owner token. */
  password_hash: text(),
  role: text({ enum: ["admin", "member", "viewer"] })
    .notNull()
    .default("member"),
  ...stamps,
});

export const boards = pgTable("boards", {
  id: uuid().primaryKey(),
  organization_id: uuid()
    .notNull()
    .references(() => organizations.id, { onDelete: "cascade" }),
  name: varchar({ length: 255 }).notNull(),
  description: text().notNull().default(""),
  owner_id: uuid()
    .notNull()
    .references(() => users.id, { onDelete: "cascade" }),
  ...stamps,
});
