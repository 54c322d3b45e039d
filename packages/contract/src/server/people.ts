import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { BoardRole, OrganizationRole, Permission } from "../permissions.ts";
import { boardParams } from "./boards.ts";
import { createFieldsQuery, pageEnd, rowsQuery } from "./paging.ts";

/** Selects one of the caller's organisations, by id or slug, if the token is not bound to one. */
export const organizationHeader = "x-wharf-organization";

const Slug = z
  .string()
  .max(63)
  .regex(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/, "lower-case letters, digits and hyphens");

export const Organization = z.object({ id: z.uuid(), name: z.string(), slug: z.string(), created_at: z.string() });
export type Organization = z.infer<typeof Organization>;

export const Username = z
  .string()
  .max(100)
  .regex(/^[a-z0-9][a-z0-9._-]*$/, "lower-case letters, digits, . _ -");

/** A person or a program in an organisation. */
export const Member = z.object({
  id: z.uuid(),
  username: z.string(),
  email: z.string(),
  role: OrganizationRole,
  is_service: z.boolean().describe("whether this is a program, which has tokens but no login"),
  created_at: z.string(),
});
export type Member = z.infer<typeof Member>;

export const MemberInput = z.object({
  username: Username,
  email: z.email().max(255).optional().describe("without it, no messages reach the user"),
  role: OrganizationRole.default("member"),
  is_service: z.boolean().default(false),
});
export type MemberInput = z.output<typeof MemberInput>;

/** The orders of a list of people: when they were added, and by name. `-` means descending. */
export const PeopleSort = z.enum(["created_at", "-created_at", "username", "-username"]);
export type PeopleSort = z.infer<typeof PeopleSort>;

export const BoardMember = z.object({ id: z.uuid(), username: z.string(), role: BoardRole });
export type BoardMember = z.infer<typeof BoardMember>;

/** A personal access token, without its secret. */
export const AccessToken = z.object({
  id: z.uuid(),
  name: z.string(),
  username: z.string(),
  /** The end of the token, by which people recognise it. */
  hint: z.string(),
  /** Absent if the token allows everything that its user may do. */
  permissions: z.array(Permission).optional(),
  expires_at: z.string().optional(),
  last_used_at: z.string().optional().describe("recorded at most once a minute"),
  created_at: z.string(),
});
export type AccessToken = z.infer<typeof AccessToken>;

export const AccessTokenSort = z.enum(["created_at", "-created_at", "name", "-name"]);
export type AccessTokenSort = z.infer<typeof AccessTokenSort>;

export const AccessTokenInput = z
  .object({
    name: z.string().trim().min(1).max(100),
    permissions: z.array(Permission).min(1).optional().describe("without them, everything that the user may do"),
    expires_in_days: z
      .number()
      .int()
      .min(1)
      .max(3_650)
      .optional()
      .describe("without it, the end of the token that creates it, if it has one"),
    user: z.string().min(1).max(100).optional().describe("a name or an id; admins create tokens for other users"),
  })
  .meta({ examples: [{ name: "deployment", permissions: ["task:read", "task:create"], expires_in_days: 90 }] });
export type AccessTokenInput = z.output<typeof AccessTokenInput>;

export const userParams = z.object({ user: z.string().min(1).max(100) });

/** Who a request comes from, and the people and tokens of its organisation. */
export const peopleApi = {
  whoami: createEndpoint({
    needs: "token",
    method: "GET",
    path: "/api/v1/whoami",
    summary: "Get the user, the organization and the permissions of the request",
    response: z.object({
      user: z.object({ id: z.uuid(), username: z.string(), email: z.string(), is_operator: z.boolean() }),
      organization: Organization,
      role: OrganizationRole,
      permissions: z.array(Permission),
      organizations: z.array(Organization.extend({ role: OrganizationRole })),
    }),
  }),
  createOrganization: createEndpoint({
    needs: "organization:create",
    method: "POST",
    path: "/api/v1/organizations",
    summary: "Create an organization with a first board; its creator becomes its admin",
    body: z.object({ name: z.string().trim().min(1).max(255), slug: Slug }),
    status: 201,
    response: Organization,
    errors: ["organization_exists"],
  }),
  listMembers: createEndpoint({
    needs: "organization:read",
    method: "GET",
    path: "/api/v1/users",
    summary: "List the users of the organization",
    query: z.object({
      sort: PeopleSort.default("created_at"),
      ...createFieldsQuery(Member),
      ...rowsQuery,
    }),
    items: "users",
    response: z.object({ users: z.array(Member), ...pageEnd }),
  }),
  addMember: createEndpoint({
    needs: "organization:admin",
    method: "POST",
    path: "/api/v1/users",
    summary: "Create a user of the organization. A person who has an account is invited instead",
    body: MemberInput,
    status: 201,
    response: Member,
    errors: ["user_exists", "user_needs_invitation"],
  }),
  setMemberRole: createEndpoint({
    needs: "organization:admin",
    method: "PUT",
    ifMatch: "unsupported",
    path: "/api/v1/users/:user",
    summary: "Change a user's role in the organization",
    params: userParams,
    body: z.object({ role: OrganizationRole }),
    response: Member,
    errors: ["organization_needs_admin"],
  }),
  removeMember: createEndpoint({
    needs: "organization:admin",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/users/:user",
    summary: "Remove a user from the organization and its boards, and revoke their tokens there",
    params: userParams,
    status: 204,
    response: "none",
    errors: ["organization_needs_admin"],
  }),
  listBoardMembers: createEndpoint({
    needs: "board:read",
    method: "GET",
    path: "/api/v1/boards/:board_id/members",
    summary: "List the people with whom a board was shared. Admins of the organization see every board",
    params: boardParams,
    query: z.object({
      sort: PeopleSort.default("created_at"),
      ...createFieldsQuery(BoardMember),
      ...rowsQuery,
    }),
    items: "members",
    response: z.object({ members: z.array(BoardMember), ...pageEnd }),
  }),
  shareBoard: createEndpoint({
    needs: "board:admin",
    method: "PUT",
    ifMatch: "unsupported",
    path: "/api/v1/boards/:board_id/members/:user",
    summary: "Share a board with a user of its organization, or change their role on it",
    params: boardParams.extend(userParams.shape),
    body: z.object({ role: BoardRole }),
    response: BoardMember,
    errors: ["board_needs_owner"],
  }),
  unshareBoard: createEndpoint({
    needs: "board:admin",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/boards/:board_id/members/:user",
    summary: "Stop sharing a board with a user",
    params: boardParams.extend(userParams.shape),
    status: 204,
    response: "none",
    errors: ["board_needs_owner"],
  }),
  listAccessTokens: createEndpoint({
    needs: "token:read",
    method: "GET",
    path: "/api/v1/tokens",
    summary: "List your tokens in the organization; for admins, those of all its users",
    query: z.object({
      sort: AccessTokenSort.default("created_at"),
      ...createFieldsQuery(AccessToken),
      ...rowsQuery,
    }),
    items: "tokens",
    response: z.object({ tokens: z.array(AccessToken), ...pageEnd }),
  }),
  createAccessToken: createEndpoint({
    idempotency: "once",
    needs: "token:write",
    method: "POST",
    path: "/api/v1/tokens",
    summary: "Create a token for the organization. Only this answer contains it",
    body: AccessTokenInput,
    status: 201,
    response: AccessToken.extend({ token: z.string() }),
    errors: ["access_token_outlives_creator"],
  }),
  revokeAccessToken: createEndpoint({
    needs: "token:write",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/tokens/:token_id",
    summary: "Revoke a token of yours; admins revoke those of other users",
    params: z.object({ token_id: z.uuid() }),
    status: 204,
    response: "none",
    errors: ["access_token_not_found"],
  }),
} as const;
