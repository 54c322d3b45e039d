import {
  type BoardRole,
  hasBoardPermission,
  hasRolePermission,
  type OrganizationRole,
  type Permission,
  type RouteNeed,
  WharfError,
} from "@wharf/contract";

/** The sender of a request, as its credentials prove. */
export interface Caller {
  readonly user_id: string;
  readonly username: string;
  /** The organisation in which the request acts. */
  readonly organization_id: string;
  /** The user's role in that organisation. */
  readonly role: OrganizationRole;
  /** Whether the user runs the server. */
  readonly is_operator: boolean;
  /** The access token that proves the user, if one does. */
  readonly token_id?: string;
  /** Who created that token, if not the user; null if that account is gone. */
  readonly token_issuer?: string | null;
  /** The login that the request belongs to; absent if a token proves the sender. */
  readonly session?: { readonly id: string; readonly kind: "browser" | "program" };
  /** The token's permissions; absent if the token allows all that the user may do. */
  readonly permissions?: ReadonlySet<Permission>;
  /** When the token expires; absent if it does not. */
  readonly expires_at?: Date;
}

/**
 * What a request may see and do. Modules reach rows only with a scope: `visibility.ts` decides
 * which rows it sees, and what it names must also grant `needs`.
 */
export interface Scope extends Caller {
  /** What the request's route needs. */
  readonly needs: RouteNeed;
}

/** Gives a caller the scope of a route, or refuses the request. */
export function createScope(caller: Caller, needs: RouteNeed): Scope {
  if (needs !== "nothing" && needs !== "token") requirePermission(caller, needs);
  return { ...caller, needs };
}

/** Refuses a request whose role or token lacks a permission. */
export function requirePermission(caller: Caller, permission: Permission): void {
  if (!hasRolePermission(caller, permission))
    throw new WharfError("permission_missing", { permission, reason: "role" });
  if (caller.permissions?.has(permission) === false)
    throw new WharfError("permission_missing", { permission, reason: "token" });
}

/**
 * Refuses a token that somebody else created, such as an admin. It acts for the user in one
 * organisation, and the account may belong to others.
 */
export function requireOwnCredentials({ token_issuer: issuer }: Caller, permission: Permission): void {
  if (issuer !== undefined) throw new WharfError("permission_missing", { permission, reason: "issuer" });
}

/** Refuses a request unless the person has a role on its board that grants what it needs. */
export function requireBoardPermission({ needs }: Scope, role: BoardRole): void {
  if (needs === "nothing" || needs === "token" || hasBoardPermission(role, needs)) return;
  throw new WharfError("permission_missing", { permission: needs, reason: "board" });
}
