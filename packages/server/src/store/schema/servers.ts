import { sql } from "drizzle-orm";
import { boolean, check, pgTable, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";

const createTimeColumn = () => timestamp({ withTimezone: true });

/** What this database belongs to. A server with another secret, or with the data folder of another, does not start. */
export const installation = pgTable(
  "installation",
  {
    id: uuid().primaryKey(),
    /** Keeps it to one row. */
    only: boolean().notNull().default(true).unique(),
    secret_fingerprint: text().notNull(),
    created_at: createTimeColumn().notNull().defaultNow(),
  },
  (t) => [check("installation_only", sql`${t.only}`)],
);

/** The servers of the installation, and where they answer each other. */
export const servers = pgTable("servers", {
  id: text().primaryKey(),
  address: text().notNull(),
  place: text().notNull(),
  started_at: createTimeColumn().notNull().defaultNow(),
  seen_at: createTimeColumn().notNull().defaultNow(),
});

/** Who does what only one server should do at a time. */
export const leaderships = pgTable("leaderships", {
  duty: text().primaryKey(),
  server_id: text().notNull(),
  expires_at: createTimeColumn().notNull(),
});

/** Runners that a backend has and no row knows. They keep their disks until a person or the grace period removes them. */
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
