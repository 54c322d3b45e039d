import { randomUUID } from "node:crypto";
import {
  type AccessTokenInput,
  type AccessTokenSort,
  hasRolePermission,
  type Permission,
  WharfError,
} from "@wharf/contract";
import { and, eq } from "drizzle-orm";
import { createRowOrders, type Database, type PageQuery, schema } from "../store/index.ts";
import { generateAccessToken, getTokenHint, hashAccessToken } from "./credentials/access-token.ts";
import { findMember, type MemberRow } from "./members.ts";
import { requirePermission, type Scope } from "./scope.ts";

const { access_tokens, users } = schema;

const tokenColumns = {
  id: access_tokens.id,
  name: access_tokens.name,
  username: users.username,
  hint: access_tokens.hint,
  permissions: access_tokens.permissions,
  expires_at: access_tokens.expires_at,
  last_used_at: access_tokens.last_used_at,
  created_at: access_tokens.created_at,
};

const getOrder = createRowOrders(
  { created_at: [access_tokens.created_at, access_tokens.id], name: [access_tokens.name, access_tokens.id] },
  "created_at",
);

const dayMs = 86_400_000;

/** Personal access tokens, of people and of programs. */
export class AccessTokens {
  readonly #db: Database;
  readonly #onChange: () => void;

  /** @param onChange Called after a token was revoked. */
  constructor(db: Database, onChange: () => void) {
    this.#db = db;
    this.#onChange = onChange;
  }

  /** Returns a person's tokens in the organisation; for admins, those of all its users. */
  async list(scope: Scope, page: PageQuery & { sort?: AccessTokenSort | undefined }) {
    const order = getOrder(page.sort);
    const rows = await this.#db
      .select({ ...tokenColumns, position: order.position })
      .from(access_tokens)
      .innerJoin(users, eq(users.id, access_tokens.user_id))
      .where(and(isManaged(scope), order.isAfter(page.cursor)))
      .orderBy(...order.columns)
      .limit(page.limit + 1)
      .offset(page.offset ?? 0);
    return order.toPage(rows, page.limit);
  }

  /** Creates a token. The result is the only place that ever contains it. */
  async create(scope: Scope, { user, name, permissions, expires_in_days }: AccessTokenInput) {
    const member = user === undefined ? undefined : await findMember(this.#db, scope, user);
    if (member && member.id !== scope.user_id) requireRightsOver(scope, member);
    requireGrantable(scope, permissions);
    const expiresAt = getExpiry(scope, expires_in_days);
    const token = generateAccessToken();
    const id = randomUUID();
    await this.#db.insert(access_tokens).values({
      id,
      organization_id: scope.organization_id,
      user_id: member?.id ?? scope.user_id,
      name,
      hash: hashAccessToken(token),
      hint: getTokenHint(token),
      permissions: permissions ?? (scope.permissions ? [...scope.permissions] : null),
      expires_at: expiresAt ?? null,
      // A token that somebody else created must not become one of the user's own.
      created_by: scope.token_issuer === undefined ? scope.user_id : scope.token_issuer,
    });
    const [row] = await this.#db
      .select(tokenColumns)
      .from(access_tokens)
      .innerJoin(users, eq(users.id, access_tokens.user_id))
      .where(eq(access_tokens.id, id));
    return { ...row!, token };
  }

  async revoke(scope: Scope, id: string): Promise<void> {
    const revoked = await this.#db
      .delete(access_tokens)
      .where(and(eq(access_tokens.id, id), isManaged(scope)))
      .returning({ id: access_tokens.id });
    if (revoked.length === 0) throw new WharfError("access_token_not_found", { id });
    this.#onChange();
  }
}

const isAdmin = (scope: Scope): boolean =>
  hasRolePermission(scope, "organization:admin") && scope.permissions?.has("organization:admin") !== false;

/** The tokens that a person sees and revokes. */
const isManaged = (scope: Scope) =>
  and(
    eq(access_tokens.organization_id, scope.organization_id),
    isAdmin(scope) ? undefined : eq(access_tokens.user_id, scope.user_id),
  );

/** A token of an operator acts on the whole server, which an admin of one organisation may not. */
function requireRightsOver(scope: Scope, member: MemberRow): void {
  requirePermission(scope, "organization:admin");
  if (member.is_operator) requirePermission(scope, "server:admin");
}

/** A token cannot create one that may do more than itself. */
function requireGrantable({ permissions: held }: Scope, granted: readonly Permission[] | undefined): void {
  const excess = granted?.find((permission) => held?.has(permission) === false);
  if (excess !== undefined) throw new WharfError("permission_missing", { permission: excess, reason: "token" });
}

/**
 * Returns the end of a new token, which without a request is that of the token that creates it: no
 * token may live on in another one.
 */
function getExpiry({ expires_at: latest }: Scope, days: number | undefined): Date | undefined {
  if (days === undefined) return latest;
  const expiresAt = new Date(Date.now() + days * dayMs);
  if (latest && expiresAt > latest)
    throw new WharfError("access_token_outlives_creator", { expires_at: latest.toISOString() });
  return expiresAt;
}
