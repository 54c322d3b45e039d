import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { OrganizationRole } from "../permissions.ts";
import { createFieldsQuery, pageEnd, rowsQuery } from "./paging.ts";
import { Organization, Username, userParams } from "./people.ts";

/** An e-mail address, which names an account in any spelling of its letters. */
export const AccountEmail = z
  .string()
  .trim()
  .toLowerCase()
  .max(255)
  .regex(/^[^\s@<>"]+@[^\s@<>"]+$/, "an e-mail address");

/** The server says why it refuses a new password. */
const Password = z.string().min(1).max(1024);
const Secret = z.string().min(1).max(500);

/** What a program gets when it logs in. */
export const LoginTokens = z.object({
  token_type: z.literal("Bearer"),
  /** A JWT for the header `Authorization`. */
  access_token: z.string(),
  expires_in: z.number().describe("seconds"),
  /** Works once: each refresh returns the next one. */
  refresh_token: z.string(),
  session_id: z.uuid(),
  user: z.object({ id: z.uuid(), email: z.string(), username: z.string() }),
});
export type LoginTokens = z.infer<typeof LoginTokens>;

export const LoginSession = z.object({
  id: z.uuid(),
  kind: z.enum(["browser", "program"]),
  method: z
    .enum(["password", "link", "invitation", "oidc", "passkey", "device"])
    .describe("how the person logged in; `device` if a browser confirmed the login of a program"),
  address: z.string(),
  user_agent: z.string(),
  created_at: z.string(),
  used_at: z.string(),
  expires_at: z.string(),
  /** Whether the request itself belongs to this login. */
  is_current: z.boolean(),
});
export type LoginSession = z.infer<typeof LoginSession>;

/** The orders of a list of logins. `-` means descending. */
export const LoginSessionSort = z.enum(["-created_at", "created_at", "-used_at", "used_at"]);
export type LoginSessionSort = z.infer<typeof LoginSessionSort>;

/** A link that works once. The server sends no mail: its creator hands it on. */
export const PersonLink = z.object({
  kind: z.enum(["login", "password"]),
  /** The path of the link's page on the server. */
  path: z.string(),
  expires_at: z.string(),
  user: z.object({ id: z.uuid(), email: z.string(), username: z.string() }),
});
export type PersonLink = z.infer<typeof PersonLink>;

/** A link to log in or to set a password that still works, without its secret. */
export const OpenLink = PersonLink.pick({ kind: true, expires_at: true }).extend({
  id: z.uuid(),
  created_by: z.string().optional().describe("the name of the person who created it"),
  created_at: z.string(),
});
export type OpenLink = z.infer<typeof OpenLink>;

export const Invitation = z.object({
  id: z.uuid(),
  email: z.string(),
  role: OrganizationRole,
  created_by: z.uuid().optional(),
  created_at: z.string(),
  expires_at: z.string(),
});
export type Invitation = z.infer<typeof Invitation>;

/** The orders of a list of invitations. `-` means descending. */
export const InvitationSort = z.enum(["-created_at", "created_at", "-email", "email"]);
export type InvitationSort = z.infer<typeof InvitationSort>;

/** A person as a login provider knows them, who logs in to this account. */
export const LoginIdentity = z.object({
  id: z.uuid(),
  issuer: z.string(),
  email: z.string(),
  created_at: z.string(),
  used_at: z.string(),
});
export type LoginIdentity = z.infer<typeof LoginIdentity>;

const LinkInput = z.object({ kind: PersonLink.shape.kind.default("login") });

/** Logins of people: with a password, with links that work once, and their sessions. */
export const loginsApi = {
  login: createEndpoint({
    needs: "nothing",
    method: "POST",
    path: "/api/v1/auth/login",
    summary: "Log a program in with an account's password",
    body: z.object({ email: AccountEmail, password: Password }),
    response: LoginTokens,
    errors: ["login_failed", "rate_limited"],
  }),
  refreshLogin: createEndpoint({
    audit: "counted",
    needs: "nothing",
    method: "POST",
    path: "/api/v1/auth/refresh",
    summary: "Get a new access token. A refresh token that is used twice ends the login",
    body: z.object({ refresh_token: Secret }),
    response: LoginTokens,
    errors: ["login_ended", "rate_limited"],
  }),
  beginDeviceLogin: createEndpoint({
    audit: "counted",
    needs: "nothing",
    errors: ["rate_limited"],
    method: "POST",
    path: "/api/v1/auth/device",
    summary: "Begin the login of a program that a person confirms in a browser",
    response: z.object({
      device_code: z.string().describe("the program's secret for `finishDeviceLogin`"),
      user_code: z.string().describe("what the person compares"),
      path: z.string().describe("the path of the page that confirms it"),
      expires_in: z.number().describe("seconds"),
      interval: z.number().describe("seconds to wait between two requests of `finishDeviceLogin`"),
    }),
  }),
  finishDeviceLogin: createEndpoint({
    audit: "counted",
    needs: "nothing",
    errors: ["account_inactive", "device_login_expired", "device_login_pending", "device_login_refused"],
    method: "POST",
    path: "/api/v1/auth/device/token",
    summary: "Log a program in that a person has confirmed; `device_login_pending` until then",
    body: z.object({ device_code: Secret }),
    response: LoginTokens,
  }),
  decideDeviceLogin: createEndpoint({
    needs: "account:write",
    errors: ["device_code_unknown", "rate_limited"],
    method: "POST",
    path: "/api/v1/me/device-logins",
    summary: "Let a program log in as you, or refuse it, by the code that it shows",
    body: z.object({ user_code: z.string().min(1).max(20), decision: z.enum(["confirm", "refuse"]) }),
    status: 204,
    response: "none",
  }),
  listIdentities: createEndpoint({
    needs: "account:read",
    method: "GET",
    path: "/api/v1/me/identities",
    summary: "List the login providers with which you log in, the oldest first",
    query: z.object({ ...createFieldsQuery(LoginIdentity), ...rowsQuery }),
    items: "identities",
    response: z.object({ identities: z.array(LoginIdentity), ...pageEnd }),
  }),
  removeIdentity: createEndpoint({
    needs: "account:write",
    ifMatch: "unsupported",
    errors: ["identity_not_found"],
    method: "DELETE",
    path: "/api/v1/me/identities/:identity_id",
    summary: "Stop using a login provider for your account",
    params: z.object({ identity_id: z.uuid() }),
    status: 204,
    response: "none",
  }),
  listUserIdentities: createEndpoint({
    needs: "organization:admin",
    errors: ["account_shared", "account_is_service"],
    method: "GET",
    path: "/api/v1/users/:user/identities",
    summary: "List the login providers of a member, the oldest first",
    params: userParams,
    query: z.object({ ...createFieldsQuery(LoginIdentity), ...rowsQuery }),
    items: "identities",
    response: z.object({ identities: z.array(LoginIdentity), ...pageEnd }),
  }),
  removeUserIdentity: createEndpoint({
    needs: "organization:admin",
    ifMatch: "unsupported",
    errors: ["identity_not_found", "account_shared", "account_is_service"],
    method: "DELETE",
    path: "/api/v1/users/:user/identities/:identity_id",
    summary: "Stop using a login provider for the account of a member",
    params: userParams.extend({ identity_id: z.uuid() }),
    status: 204,
    response: "none",
  }),
  logout: createEndpoint({
    needs: "nothing",
    method: "POST",
    path: "/api/v1/auth/logout",
    summary: "End the login of a refresh token",
    body: z.object({ refresh_token: Secret }),
    status: 204,
    response: "none",
  }),
  useLoginLink: createEndpoint({
    needs: "nothing",
    method: "POST",
    path: "/api/v1/auth/link",
    summary: "Log a program in with the last part of a login link",
    body: z.object({ token: Secret }),
    response: LoginTokens,
    errors: ["link_invalid", "rate_limited"],
  }),
  setPassword: createEndpoint({
    needs: "nothing",
    method: "POST",
    path: "/api/v1/auth/password",
    summary: "Set a password with the last part of a link for that. All earlier logins end",
    body: z.object({ token: Secret, password: Password }),
    response: LoginTokens,
    errors: ["link_invalid", "password_unsuitable", "rate_limited"],
  }),
  acceptInvitation: createEndpoint({
    needs: "nothing",
    method: "POST",
    path: "/api/v1/auth/invitation",
    summary: "Accept an invitation with its last part: create the account, or prove it with its password",
    body: z.object({ token: Secret, username: Username.optional(), password: Password }),
    response: LoginTokens,
    errors: ["link_invalid", "login_failed", "password_unsuitable", "username_taken", "rate_limited"],
  }),
  joinOrganization: createEndpoint({
    needs: "account:write",
    method: "POST",
    path: "/api/v1/me/organizations",
    summary: "Join an organization with the last part of an invitation to the address of your account",
    body: z.object({ token: Secret }),
    response: Organization.extend({ role: OrganizationRole }),
    errors: ["link_invalid", "invitation_for_other_account"],
  }),
  changePassword: createEndpoint({
    needs: "account:write",
    method: "PUT",
    ifMatch: "unsupported",
    path: "/api/v1/me/password",
    summary: "Change your password. Your other logins end",
    body: z.object({
      current_password: Password.optional().describe("required if you have a password"),
      new_password: Password,
    }),
    status: 204,
    response: "none",
    errors: ["login_failed", "password_unsuitable", "rate_limited"],
  }),
  createOwnLink: createEndpoint({
    idempotency: "once",
    needs: "account:write",
    method: "POST",
    path: "/api/v1/me/links",
    summary: "Create a link that logs you in once, or lets you set a password",
    body: LinkInput.default({ kind: "login" }),
    status: 201,
    response: PersonLink,
  }),
  listOwnLinks: createEndpoint({
    needs: "account:read",
    method: "GET",
    path: "/api/v1/me/links",
    summary: "List the unused links that log you in or set your password, the newest first",
    query: z.object(createFieldsQuery(OpenLink)),
    items: "links",
    response: z.object({ links: z.array(OpenLink) }),
  }),
  revokeOwnLink: createEndpoint({
    needs: "account:write",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/me/links/:link_id",
    summary: "Revoke an unused link that logs you in or sets your password",
    params: z.object({ link_id: z.uuid() }),
    status: 204,
    response: "none",
    errors: ["login_link_not_found"],
  }),
  listSessions: createEndpoint({
    needs: "account:read",
    method: "GET",
    path: "/api/v1/me/sessions",
    summary: "List your logins; the newest first unless `sort` names another order",
    query: z.object({
      sort: LoginSessionSort.default("-created_at"),
      ...createFieldsQuery(LoginSession),
      ...rowsQuery,
    }),
    items: "sessions",
    response: z.object({
      sessions: z.array(LoginSession),
      last_login_at: z.string().optional().describe("absent if you never logged in"),
      ...pageEnd,
    }),
  }),
  endSession: createEndpoint({
    needs: "account:write",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/me/sessions/:session_id",
    summary: "End one of your logins",
    params: z.object({ session_id: z.uuid() }),
    status: 204,
    response: "none",
    errors: ["login_not_found"],
  }),
  endSessions: createEndpoint({
    needs: "account:write",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/me/sessions",
    summary: "End all your other logins",
    response: z.object({ ended: z.number() }),
  }),
  createUserLink: createEndpoint({
    idempotency: "once",
    needs: "organization:admin",
    method: "POST",
    path: "/api/v1/users/:user/links",
    summary: "Create a link that logs a member in once, or lets them set a password",
    params: userParams,
    body: LinkInput.default({ kind: "login" }),
    status: 201,
    response: PersonLink,
    errors: ["account_shared", "account_is_service"],
  }),
  endUserSessions: createEndpoint({
    needs: "organization:admin",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/users/:user/sessions",
    summary: "End all logins and open links of a member",
    params: userParams,
    response: z.object({ ended: z.number() }),
    errors: ["account_shared", "account_is_service"],
  }),
  createInvitation: createEndpoint({
    idempotency: "once",
    needs: "organization:admin",
    method: "POST",
    path: "/api/v1/invitations",
    summary: "Invite a person to the organization. The answer has the link, which the server does not send",
    body: z.object({
      email: AccountEmail,
      role: OrganizationRole.default("member"),
      expires_in_s: z.number().int().min(60).max(2_592_000).optional().describe("a week by default"),
    }),
    status: 201,
    response: Invitation.extend({ path: z.string().describe("the path of the link's page") }),
  }),
  listInvitations: createEndpoint({
    needs: "organization:admin",
    method: "GET",
    path: "/api/v1/invitations",
    summary: "List the open invitations; the newest first unless `sort` names another order",
    query: z.object({
      sort: InvitationSort.default("-created_at"),
      ...createFieldsQuery(Invitation),
      ...rowsQuery,
    }),
    items: "invitations",
    response: z.object({ invitations: z.array(Invitation), ...pageEnd }),
  }),
  revokeInvitation: createEndpoint({
    needs: "organization:admin",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/invitations/:invitation_id",
    summary: "Revoke an invitation",
    params: z.object({ invitation_id: z.uuid() }),
    status: 204,
    response: "none",
    errors: ["invitation_not_found"],
  }),
} as const;
