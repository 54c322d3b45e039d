import type { OrganizationRole, Permission } from "@wharf/contract";
import { and, asc, eq, or, sql } from "drizzle-orm";
import { z } from "zod";
import { buildOnce, type Database, schema } from "../store/index.ts";
import type { Caller } from "./scope.ts";

const { access_tokens, memberships, organizations, users } = schema;

const callerColumns = {
  user_id: memberships.user_id,
  username: users.username,
  organization_id: memberships.organization_id,
  role: memberships.role,
  is_operator: users.is_operator,
};

/** A caller with the token that proves it. */
interface TokenCaller {
  readonly caller: Caller;
  readonly token_id: string;
  /** Whether the recorded last use is older than a minute. */
  readonly isUseStale: boolean;
}

/** An access token by its hash, or by its id if it proved its sender before. */
export type TokenKey = { readonly hash: string } | { readonly id: string };

const selectToken = buildOnce(["key"], (db, { key }, column: "hash" | "id") =>
  db
    .select({
      caller: callerColumns,
      token_id: access_tokens.id,
      permissions: access_tokens.permissions,
      expires_at: access_tokens.expires_at,
      created_by: access_tokens.created_by,
      isUseStale: sql<boolean>`coalesce(${access_tokens.last_used_at} < now() - interval '1 minute', true)`,
    })
    .from(access_tokens)
    .innerJoin(
      memberships,
      and(
        eq(memberships.organization_id, access_tokens.organization_id),
        eq(memberships.user_id, access_tokens.user_id),
      ),
    )
    .innerJoin(users, eq(users.id, access_tokens.user_id))
    .where(and(eq(access_tokens[column], key), sql`coalesce(${access_tokens.expires_at} > now(), true)`)),
);

/** Finds the sender of a request by an access token that has not expired. */
export async function findTokenCaller(db: Database, key: TokenKey): Promise<TokenCaller | undefined> {
  const [row] = await ("hash" in key
    ? selectToken(db, { key: key.hash }, "hash")
    : selectToken(db, { key: key.id }, "id"));
  if (!row) return undefined;
  const { caller, permissions, expires_at: expiresAt, created_by: creator, ...token } = row;
  return {
    ...token,
    caller: {
      ...caller,
      ...(permissions !== null && { permissions: new Set<Permission>(permissions) }),
      ...(expiresAt !== null && { expires_at: expiresAt }),
      ...(creator !== caller.user_id && { token_issuer: creator }),
    },
  };
}

export const recordTokenUse = (db: Database, id: string): Promise<unknown> =>
  db
    .update(access_tokens)
    .set({ last_used_at: sql`now()` })
    .where(eq(access_tokens.id, id));

const selectFirst = buildOnce(["user_id"], (db, { user_id }) =>
  db
    .select(callerColumns)
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.user_id))
    .where(eq(memberships.user_id, user_id))
    .orderBy(asc(memberships.created_at), asc(memberships.organization_id))
    .limit(1),
);

/** Finds a user as a member of the organisation that they joined first. */
export async function findFirstCaller(db: Database, userId: string): Promise<Caller | undefined> {
  const [row] = await selectFirst(db, { user_id: userId });
  return row;
}

/** Finds a user as the member of an organisation that a request names by id or slug. */
export async function findMemberCaller(
  db: Database,
  { user_id, organization }: { user_id: string; organization: string },
): Promise<(Caller & { role: OrganizationRole }) | undefined> {
  const isSlug = eq(organizations.slug, organization);
  const isNamed = z.uuid().safeParse(organization).success ? or(isSlug, eq(organizations.id, organization)) : isSlug;
  const [row] = await db
    .select(callerColumns)
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.user_id))
    .innerJoin(organizations, eq(organizations.id, memberships.organization_id))
    .where(and(eq(memberships.user_id, user_id), isNamed));
  return row;
}
