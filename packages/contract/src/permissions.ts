import { z } from "zod";

/**
 * What requests may do. Every route of the server names the permission that it needs, and a request
 * has a permission if all of these grant it: the person's role in the organisation, the token's
 * list if it has one, and for a board and everything on it the person's role on that board.
 *
 * The roles are ordered: each one may do everything that the roles before it may.
 */

/** A person's role in an organisation. */
export const OrganizationRole = z.enum(["viewer", "member", "admin"]);
export type OrganizationRole = z.infer<typeof OrganizationRole>;

/** A person's role on a board. Admins of its organisation own every board. */
export const BoardRole = z.enum(["viewer", "editor", "owner"]);
export type BoardRole = z.infer<typeof BoardRole>;

export interface PermissionEntry {
  /** What a request with the permission may do. */
  readonly summary: string;
  /**
   * The lowest role in the organisation that has the permission. Operators are the people who run
   * the server, with any role.
   */
  readonly role: OrganizationRole | "operator";
  /** The lowest role on a board that has the permission there; absent if it concerns no board. */
  readonly boardRole?: BoardRole;
}

const entries = {
  "server:read": { summary: "See the server's version, backend and limits", role: "viewer" },
  "server:admin": { summary: "Stop the server, pause its queue, and manage its orphaned runners", role: "operator" },
  "organization:read": { summary: "See the organization and its members", role: "viewer" },
  "organization:create": { summary: "Create organizations", role: "operator" },
  "organization:admin": { summary: "Change the organization, its members and their roles", role: "admin" },
  "board:read": { summary: "See boards and their members", role: "viewer", boardRole: "viewer" },
  "board:write": { summary: "Create and rename boards", role: "member", boardRole: "owner" },
  "board:admin": { summary: "Share and delete boards", role: "member", boardRole: "owner" },
  "task:read": { summary: "See tasks, their logs, runs and changes", role: "viewer", boardRole: "viewer" },
  "task:create": { summary: "Create tasks", role: "member", boardRole: "editor" },
  "task:write": { summary: "Change tasks, and accept or cancel them", role: "member", boardRole: "editor" },
  "task:prompt": {
    summary: "Start, prompt, pause and stop the agents of tasks, and answer their questions",
    role: "member",
    boardRole: "editor",
  },
  "task:comment": { summary: "Comment on tasks", role: "member", boardRole: "editor" },
  "task:delete": { summary: "Delete tasks", role: "member", boardRole: "editor" },
  "template:read": { summary: "See templates of tasks", role: "viewer", boardRole: "viewer" },
  "template:write": { summary: "Set and remove templates of tasks", role: "member", boardRole: "editor" },
  "runner:read": { summary: "See runners", role: "viewer", boardRole: "viewer" },
  "runner:create": { summary: "Create runners without a task", role: "member" },
  "runner:use": {
    summary: "Use the commands, files and terminals of runners",
    role: "member",
    boardRole: "editor",
  },
  "runner:write": { summary: "Start, stop and destroy runners", role: "member", boardRole: "editor" },
  "workspace:read": {
    summary: "Read and search the files of workspaces, see their changes, and watch their terminals",
    role: "viewer",
    boardRole: "viewer",
  },
  "workspace:write": { summary: "Change files of workspaces, and commit", role: "member", boardRole: "editor" },
  "workspace:exec": { summary: "Use commands and terminals in workspaces", role: "member", boardRole: "editor" },
  "usage:read": { summary: "See what tasks and runners used, and its cost", role: "viewer" },
  "budget:read": { summary: "See budgets", role: "viewer", boardRole: "viewer" },
  "budget:write": { summary: "Set and remove budgets", role: "admin" },
  "queue:write": { summary: "Put tasks first in the queue", role: "admin" },
  "limit:read": { summary: "See the limits of running turns", role: "viewer" },
  "limit:write": { summary: "Set and remove limits of running turns", role: "admin" },
  "host:read": {
    summary: "See the hosts that runners may reach, and those that they asked for in vain",
    role: "viewer",
    boardRole: "viewer",
  },
  "host:write": { summary: "Change the hosts that runners may reach", role: "admin" },
  "agent-type:read": { summary: "See agent types", role: "viewer" },
  "agent-type:write": { summary: "Create, change and delete agent types of the organization", role: "admin" },
  "audit:read": { summary: "See and verify the audit log", role: "admin" },
  "audit:admin": { summary: "Remove old entries of the audit log", role: "operator" },
  "account:read": { summary: "See one's own logins", role: "viewer" },
  "account:write": { summary: "Change one's own password and logins", role: "viewer" },
  "token:read": { summary: "See one's own tokens", role: "viewer" },
  "token:write": { summary: "Create and revoke one's own tokens", role: "viewer" },
} as const satisfies Readonly<Record<string, PermissionEntry>>;

export type PermissionName = keyof typeof entries;
/** All permissions with what they allow, and the roles that have them. */
export const permissions: Readonly<Record<PermissionName, PermissionEntry>> = entries;

/** The name of a permission: a resource and an action. */
export const Permission = z.enum(Object.keys(entries) as [PermissionName, ...PermissionName[]]);
export type Permission = z.infer<typeof Permission>;

/**
 * What a route needs: a permission, any valid token, or nothing, so that it answers without a
 * token.
 */
export type RouteNeed = Permission | "token" | "nothing";

/** Whether a role in an organisation has a permission. */
export function hasRolePermission(
  { role, is_operator }: { readonly role: OrganizationRole; readonly is_operator: boolean },
  permission: Permission,
): boolean {
  const { role: lowestRole } = permissions[permission];
  if (lowestRole === "operator") return is_operator;
  return OrganizationRole.options.indexOf(role) >= OrganizationRole.options.indexOf(lowestRole);
}

/** Whether a role on a board has a permission there. */
export function hasBoardPermission(role: BoardRole, permission: Permission): boolean {
  const { boardRole: lowestRole } = permissions[permission];
  return lowestRole === undefined || BoardRole.options.indexOf(role) >= BoardRole.options.indexOf(lowestRole);
}
