import { sql } from "drizzle-orm";
import { boolean, check, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { createTimeColumn } from "./columns.ts";

/**
 * The identity of this database. A server with another secret, or with another database's data
 * folder, does not start.
 */
export const installation = pgTable(
  "installation",
  {
    id: uuid().primaryKey(),
    /** Limits the table to one row. */
    only: boolean().notNull().default(true).unique(),
    secret_fingerprint: text().notNull(),
    created_at: createTimeColumn().notNull().defaultNow(),
  },
  (t) => [check("installation_only", sql`${t.only}`)],
);

/** The servers of the installation, and the addresses at which they reach each other. */
export const servers = pgTable("servers", {
  id: text().primaryKey(),
  address: text().notNull(),
  place: text().notNull(),
  started_at: createTimeColumn().notNull().defaultNow(),
  seen_at: createTimeColumn().notNull().defaultNow(),
});

/** The leader of each duty that only one server should perform at a time. */
export const leaderships = pgTable("leaderships", {
  duty: text().primaryKey(),
  server_id: text().notNull(),
  expires_at: createTimeColumn().notNull(),
});

/**
 * Runners of a backend without a row in `runners`. They keep their disks until a person or the
 * grace period removes them.
 */
export const orphans = pgTable(
  "orphans",
  {
    place: text().notNull(),
    runner_id: text().notNull(),
    found_at: createTimeColumn().notNull().defaultNow(),
    stopped_at: createTimeColumn(),
  },
  (t) => [primaryKey({ columns: [t.place, t.runner_id] })],
);
