import { BoardRole, OrganizationRole, type Permission } from "@wharf/contract";
import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  foreignKey,
  index,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";
import { createOneOfCheck, createTimeColumn, stamps, version } from "./columns.ts";

/** A tenant. A laptop has one; every board belongs to one. */
export const organizations = pgTable("organizations", {
  id: uuid().primaryKey(),
  name: varchar({ length: 255 }).notNull(),
  slug: varchar({ length: 63 }).notNull().unique(),
  /** On Kubernetes, the namespace of the organization's own and its quota; null if it has none. */
  kubernetes_namespace: varchar({ length: 63 }).unique(),
  resource_quota: jsonb().$type<Record<string, string>>(),
  ...stamps,
});

/** A person, or a program with its own tokens. */
export const users = pgTable("users", {
  id: uuid().primaryKey(),
  email: varchar({ length: 255 }).notNull().unique(),
  username: varchar({ length: 100 }).notNull().unique(),
  /** Absent for the owner of a laptop, who authenticates with the owner token. */
  password_hash: text(),
  /** When the user last started a session. */
  last_login_at: timestamp({ withTimezone: true }),
  /** Whether the user runs the server, which concerns all organisations. */
  is_operator: boolean().notNull().default(false),
  /** Whether the user is a program, which has tokens but no login. */
  is_service: boolean().notNull().default(false),
  ...stamps,
});

/** The people of each organisation. A person may be in several. */
export const memberships = pgTable(
  "memberships",
  {
    organization_id: uuid()
      .notNull()
      .references(() => organizations.id, { onDelete: "cascade" }),
    user_id: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    role: text().$type<OrganizationRole>().notNull(),
    ...stamps,
  },
  (t) => [
    primaryKey({ name: "memberships_pkey", columns: [t.organization_id, t.user_id] }),
    check("memberships_role", createOneOfCheck("role", OrganizationRole.options)),
    index("memberships_user").on(t.user_id),
  ],
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
    version,
    ...stamps,
  },
  (t) => [
    index("boards_owner").on(t.owner_id, t.created_at, t.id),
    index("boards_organization").on(t.organization_id, t.created_at, t.id),
    index("boards_deleted")
      .on(t.deleted_at)
      .where(sql`deleted_at is not null`),
  ],
);

/** The people who see a board, beside the admins of its organisation, who see all of them. */
export const board_members = pgTable(
  "board_members",
  {
    board_id: uuid()
      .notNull()
      .references(() => boards.id, { onDelete: "cascade" }),
    user_id: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    role: text().$type<BoardRole>().notNull(),
    ...stamps,
  },
  (t) => [
    primaryKey({ name: "board_members_pkey", columns: [t.board_id, t.user_id] }),
    check("board_members_role", createOneOfCheck("role", BoardRole.options)),
    index("board_members_user").on(t.user_id, t.board_id),
  ],
);

/**
 * Personal access tokens. A token acts in one organisation and ends with its user's membership. The
 * row has only the token's hash.
 */
export const access_tokens = pgTable(
  "access_tokens",
  {
    id: uuid().primaryKey(),
    organization_id: uuid().notNull(),
    user_id: uuid().notNull(),
    name: varchar({ length: 100 }).notNull(),
    hash: text().notNull().unique(),
    /** The end of the token, by which people recognise it. */
    hint: text().notNull(),
    /** Null if the token allows everything that the user may do. */
    permissions: jsonb().$type<Permission[]>(),
    expires_at: createTimeColumn(),
    last_used_at: createTimeColumn(),
    created_by: uuid().references(() => users.id, { onDelete: "set null" }),
    ...stamps,
  },
  (t) => [
    foreignKey({
      name: "access_tokens_membership",
      columns: [t.organization_id, t.user_id],
      foreignColumns: [memberships.organization_id, memberships.user_id],
    }).onDelete("cascade"),
    index("access_tokens_membership").on(t.organization_id, t.user_id),
    index("access_tokens_created_by").on(t.created_by),
  ],
);
