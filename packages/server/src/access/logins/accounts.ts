import { randomBytes, randomUUID } from "node:crypto";
import { type OrganizationRole, WharfError } from "@wharf/contract";
import { and, eq, getTableColumns, ne, sql } from "drizzle-orm";
import { type Executor, schema } from "../../store/index.ts";
import { findMember, type MemberRow } from "../members.ts";
import type { Caller } from "../scope.ts";

const { memberships, organizations, users } = schema;

export type AccountRow = typeof users.$inferSelect;

/** Returns the account that may log in with this address: a person who is in an organisation. */
export async function findAccount(db: Executor, email: string): Promise<AccountRow | undefined> {
  const [account] = await db
    .select()
    .from(users)
    .where(and(eq(users.email, email), canLogIn));
  return account;
}

/** Returns the account with this address, also of a person who is in no organisation any more. */
export async function findInvitedAccount(db: Executor, email: string): Promise<AccountRow | undefined> {
  const [account] = await db.select().from(users).where(eq(users.email, email));
  if (account?.is_service) throw new WharfError("link_invalid", {});
  return account;
}

/** Returns the account of a link, which may have lost its last organisation since. */
export async function getAccount(db: Executor, id: string): Promise<AccountRow> {
  const account = await findActiveAccount(db, id);
  if (!account) throw new WharfError("link_invalid", {});
  return account;
}

/** Returns an account that a person has proved, if it is still in an organisation. */
export async function getActiveAccount(db: Executor, id: string): Promise<AccountRow> {
  const account = await findActiveAccount(db, id);
  if (!account) throw new WharfError("account_inactive", {});
  return account;
}

async function findActiveAccount(db: Executor, id: string): Promise<AccountRow | undefined> {
  const [account] = await db
    .select()
    .from(users)
    .where(and(eq(users.id, id), canLogIn));
  return account;
}

const canLogIn = sql`not ${users.is_service} and exists (
  select from memberships where memberships.user_id = ${users.id})`;

export async function setPasswordHash(tx: Executor, userId: string, hash: string): Promise<void> {
  await tx
    .update(users)
    .set({ password_hash: hash, updated_at: sql`now()` })
    .where(eq(users.id, userId));
}

export async function recordLogin(tx: Executor, userId: string): Promise<void> {
  await tx
    .update(users)
    .set({ last_login_at: sql`now()` })
    .where(eq(users.id, userId));
}

interface NewAccount {
  readonly email: string;
  readonly username: string | undefined;
  readonly password_hash: string | null;
}

/** Creates an account. Without a name, it gets the first part of its address, or one like it. */
export async function createAccount(tx: Executor, input: NewAccount): Promise<AccountRow> {
  const base =
    input.email
      .replace(/@.*$/s, "")
      .replaceAll(/[^\w.-]/g, "-")
      .slice(0, 90) || "user";
  const names = input.username === undefined ? [base, `${base}-${randomBytes(3).toString("hex")}`] : [input.username];
  for (const username of names) {
    const [account] = await tx
      .insert(users)
      .values({ id: randomUUID(), email: input.email, username, password_hash: input.password_hash })
      .onConflictDoNothing()
      .returning();
    if (account) return account;
  }
  throw new WharfError("username_taken", { username: names.at(-1) ?? base });
}

/**
 * Returns whether no organisation has an account any more and nothing can prove it, so that an
 * invitation is the only way back. That of an operator is never open to invited people.
 */
export async function isAbandoned(db: Executor, { id, is_operator, password_hash }: AccountRow): Promise<boolean> {
  if (is_operator || password_hash !== null) return false;
  const { rowCount } = await db.execute(sql`
    select from memberships where user_id = ${id}
    union all select from identities where user_id = ${id}
    union all select from passkeys where user_id = ${id} limit 1`);
  return rowCount === 0;
}

export type JoinedOrganization = typeof organizations.$inferSelect & { readonly role: OrganizationRole };

/** Adds a person to an organisation. A person who is in it already keeps their role. */
export async function addMember(
  tx: Executor,
  member: { organization_id: string; user_id: string; role: OrganizationRole },
): Promise<JoinedOrganization> {
  await tx.insert(memberships).values(member).onConflictDoNothing();
  const [joined] = await tx
    .select({ ...getTableColumns(organizations), role: memberships.role })
    .from(memberships)
    .innerJoin(organizations, eq(organizations.id, memberships.organization_id))
    .where(and(eq(memberships.user_id, member.user_id), eq(memberships.organization_id, member.organization_id)));
  return joined!;
}

/**
 * Returns a member whose logins the caller may manage. An account that also belongs to another
 * organisation, or runs the server, can do more than the caller, so only operators may.
 */
export async function requireManagedAccount(db: Executor, caller: Caller, name: string): Promise<MemberRow> {
  const user = await findMember(db, caller, name);
  if (user.is_service) throw new WharfError("account_is_service", { username: user.username });
  const isOwn = user.id === caller.user_id && caller.token_issuer === undefined;
  if (caller.is_operator || isOwn) return user;
  const [elsewhere] = await db
    .select({ id: memberships.user_id })
    .from(memberships)
    .where(and(eq(memberships.user_id, user.id), ne(memberships.organization_id, caller.organization_id)))
    .limit(1);
  if (user.is_operator || elsewhere) throw new WharfError("account_shared", { username: user.username });
  return user;
}
