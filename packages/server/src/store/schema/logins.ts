import { sql } from "drizzle-orm";
import { boolean, check, index, integer, jsonb, pgTable, text, unique, uuid, varchar } from "drizzle-orm/pg-core";
import { createNumberColumn, createOneOfCheck, createTimeColumn, getNewestFirstColumns } from "./columns.ts";
import { access_tokens, organizations, users } from "./people.ts";

/**
 * The logins of people that last: those of browsers, which hold a cookie, and those of programs,
 * which hold a refresh token. Only hashes of cookies are here.
 */
export const sessions = pgTable(
  "sessions",
  {
    id: uuid().primaryKey(),
    user_id: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    kind: text({ enum: ["browser", "program"] }).notNull(),
    /** How the person logged in. */
    method: text({ enum: ["password", "link", "invitation", "oidc", "passkey", "device"] }).notNull(),
    /** The hash of a browser's cookie. */
    secret_hash: text().unique(),
    /** How often a program's refresh token was replaced. Only the last one is valid. */
    generation: integer().notNull().default(0),
    replaced_at: createTimeColumn(),
    user_agent: text().notNull().default(""),
    address: text().notNull().default(""),
    created_at: createTimeColumn().notNull().defaultNow(),
    used_at: createTimeColumn().notNull().defaultNow(),
    expires_at: createTimeColumn().notNull(),
  },
  (t) => [
    index("sessions_user").on(t.user_id, ...getNewestFirstColumns(t)),
    index("sessions_used").on(t.used_at),
    index("sessions_expires").on(t.expires_at),
    check("sessions_kind", createOneOfCheck("kind", ["browser", "program"])),
    check("sessions_secret", sql`(kind = 'browser') = (secret_hash is not null)`),
  ],
);

/** Links that log a person in, invite one, or let one set a password. Each works once. */
export const login_links = pgTable(
  "login_links",
  {
    id: uuid().primaryKey(),
    kind: text({ enum: ["login", "password", "invitation"] }).notNull(),
    secret_hash: text().notNull().unique(),
    /** The person whom the link logs in, or whose password it sets. */
    user_id: uuid().references(() => users.id, { onDelete: "cascade" }),
    /** The organisation to which the link invites, with the address and the role there. */
    organization_id: uuid().references(() => organizations.id, { onDelete: "cascade" }),
    email: varchar({ length: 255 }),
    role: text({ enum: ["admin", "member", "viewer"] }),
    created_by: uuid().references(() => users.id, { onDelete: "set null" }),
    created_at: createTimeColumn().notNull().defaultNow(),
    expires_at: createTimeColumn().notNull(),
    used_at: createTimeColumn(),
    revoked_at: createTimeColumn(),
  },
  (t) => [
    index("login_links_user").on(t.user_id),
    index("login_links_organization").on(t.organization_id, ...getNewestFirstColumns(t)),
    index("login_links_email").on(t.email),
    index("login_links_created_by").on(t.created_by),
    index("login_links_expires").on(t.expires_at),
    check("login_links_kind", createOneOfCheck("kind", ["login", "password", "invitation"])),
    check(
      "login_links_target",
      sql`case kind when 'invitation' then organization_id is not null and email is not null and role is not null
        else user_id is not null end`,
    ),
  ],
);

/** People as login providers know them. The provider's own id of a person never changes. */
export const identities = pgTable(
  "identities",
  {
    id: uuid().primaryKey(),
    user_id: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    issuer: text().notNull(),
    subject: text().notNull(),
    /** The address at the time of the first login, for people. */
    email: text().notNull(),
    created_at: createTimeColumn().notNull().defaultNow(),
    used_at: createTimeColumn().notNull().defaultNow(),
  },
  (t) => [unique("identities_subject").on(t.issuer, t.subject), index("identities_user").on(t.user_id)],
);

/**
 * Passkeys of people. The private key stays on the person's device, and works only for one domain.
 */
export const passkeys = pgTable(
  "passkeys",
  {
    id: uuid().primaryKey(),
    user_id: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    name: varchar({ length: 100 }).notNull(),
    /** The device's own id of the key. */
    credential_id: text().notNull().unique(),
    /** In the form of COSE, as base64url. */
    public_key: text().notNull(),
    /** The domain for which the device has made the key. */
    domain: text().notNull(),
    /** How often the device has used the key. Devices that synchronize their keys do not count. */
    counter: createNumberColumn().notNull().default(0),
    /** Whether the device has stored the key elsewhere too, such as with its manufacturer. */
    is_synced: boolean().notNull(),
    created_at: createTimeColumn().notNull().defaultNow(),
    used_at: createTimeColumn(),
  },
  (t) => [index("passkeys_user").on(t.user_id, t.created_at)],
);

const challengeKinds = ["device", "identity", "passkey", "new-passkey"] as const;

/** Steps of logins that people have yet to finish. Each is deleted when it is used. */
export const login_challenges = pgTable(
  "login_challenges",
  {
    id: uuid().primaryKey(),
    kind: text({ enum: challengeKinds }).notNull(),
    secret_hash: text().notNull().unique(),
    /** The hash of the code of a program, which a person compares. */
    code_hash: text().unique(),
    /** The account that the step is about, or of the person who decided. */
    user_id: uuid().references(() => users.id, { onDelete: "cascade" }),
    /** What the person decided about a program. */
    is_approved: boolean(),
    /** The network that may have only so many open steps. */
    network: text().notNull(),
    address: text().notNull(),
    user_agent: text().notNull(),
    data: jsonb().$type<Readonly<Record<string, unknown>>>().notNull().default({}),
    created_at: createTimeColumn().notNull().defaultNow(),
    expires_at: createTimeColumn().notNull(),
  },
  (t) => [
    index("login_challenges_network").on(t.network, t.expires_at),
    index("login_challenges_user").on(t.user_id),
    index("login_challenges_expires").on(t.expires_at),
    check("login_challenges_kind", createOneOfCheck("kind", challengeKinds)),
  ],
);

/** Tickets that open one stream each. A ticket without a session and a token is the owner's. */
export const stream_tickets = pgTable(
  "stream_tickets",
  {
    secret_hash: text().primaryKey(),
    user_id: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    organization_id: uuid()
      .notNull()
      .references(() => organizations.id, { onDelete: "cascade" }),
    session_id: uuid().references(() => sessions.id, { onDelete: "cascade" }),
    token_id: uuid().references(() => access_tokens.id, { onDelete: "cascade" }),
    expires_at: createTimeColumn().notNull(),
  },
  (t) => [
    index("stream_tickets_user").on(t.user_id, t.expires_at),
    index("stream_tickets_organization").on(t.organization_id),
    index("stream_tickets_session").on(t.session_id),
    index("stream_tickets_token").on(t.token_id),
    index("stream_tickets_expires").on(t.expires_at),
  ],
);

/** Counts the failed logins of an account or an address, whose names are hashed. */
export const login_failures = pgTable(
  "login_failures",
  {
    key: text().primaryKey(),
    failures: integer().notNull(),
    /** Until then every attempt is refused. */
    blocked_until: createTimeColumn(),
    /** After this time without a failure the count begins again. */
    forget_at: createTimeColumn().notNull(),
  },
  (t) => [index("login_failures_forget").on(t.forget_at)],
);
