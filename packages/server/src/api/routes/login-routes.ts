import { api, type LoginTokens, streamTicketSeconds, WharfError } from "@wharf/contract";
import type { FastifyInstance, FastifyRequest } from "fastify";
import {
  requireOwnCredentials,
  type SessionTokens,
  type AccountRow,
  type DeviceLogins,
  type IdempotencyKeys,
  type Identities,
  type LinkRow,
  type Links,
  type LoginManagement,
  type Logins,
  type LoginSource,
  type OidcLogins,
  type PasskeyLogins,
  type Passkeys,
  type Scope,
  type SessionRow,
  type Sessions,
  type StreamTickets,
} from "../../access/index.ts";
import { mapPage, nameRows } from "../../store/index.ts";
import { registerRoute } from "../http/register-route.ts";

export interface LoginModules {
  readonly idempotencyKeys: IdempotencyKeys;
  readonly logins: Logins;
  readonly sessions: Sessions;
  readonly sessionTokens: SessionTokens;
  readonly links: Links;
  readonly loginManagement: LoginManagement;
  readonly deviceLogins: DeviceLogins;
  readonly identities: Identities;
  readonly passkeys: Passkeys;
  readonly passkeyLogins: PasskeyLogins;
  readonly streamTickets: StreamTickets;
  /** Absent if the settings name no provider. */
  readonly oidc?: OidcModule;
}

/** Logins with an OpenID provider. */
export interface OidcModule {
  readonly logins: OidcLogins;
  /** The provider's name for people. */
  readonly name: string;
  /** Where people open this server. */
  readonly publicUrl: URL;
}

/** Seconds between two requests of a program that waits for its confirmation. */
const deviceIntervalSeconds = 2;

/** The page to which an OpenID provider sends people back. */
export const oidcCallbackPath = "/oidc/callback";

/** The pages on which links end. */
export const linkPaths = { login: "/login/", password: "/password/", invitation: "/invitations/" } as const;

/** Logins of programs, and what people do about their logins and those of members. */
export function serveLoginRoutes(app: FastifyInstance, modules: LoginModules): void {
  serveLogins(app, modules);
  serveDeviceLogins(app, modules);
  serveOwnLogins(app, modules);
  serveIdentities(app, modules);
  servePasskeys(app, modules);
  serveInvitations(app, modules);
  registerRoute(app, api.createStreamTicket, async ({ scope }) => ({
    ticket: await modules.streamTickets.create(scope),
    expires_in: streamTicketSeconds,
  }));
}

function serveLogins(app: FastifyInstance, { logins, sessions, sessionTokens }: LoginModules): void {
  const start = sessions.startProgramSession.bind(sessions);
  const createTokens = (request: FastifyRequest, started: ProgramLogin) =>
    createLoginTokens(sessionTokens, request, started);
  registerRoute(app, api.login, async ({ body }, { request }) =>
    createTokens(request, await logins.logInWithPassword(body, { source: getLoginSource(request), start })),
  );
  registerRoute(app, api.useLoginLink, async ({ body }, { request }) =>
    createTokens(request, await logins.logInWithLink(body.token, { source: getLoginSource(request), start })),
  );
  registerRoute(app, api.setPassword, async ({ body }, { request }) => {
    const input = { secret: body.token, password: body.password };
    return createTokens(request, await logins.resetPassword(input, { source: getLoginSource(request), start }));
  });
  registerRoute(app, api.acceptInvitation, async ({ body: { token, ...body } }, { request }) =>
    createTokens(
      request,
      await logins.acceptInvitation({ secret: token, ...body }, { source: getLoginSource(request), start }),
    ),
  );
  registerRoute(app, api.refreshLogin, async ({ body }, { request }) =>
    createTokens(request, await logins.refresh(body.refresh_token)),
  );
  registerRoute(app, api.logout, async ({ body }) => {
    const sessionId = sessions.findTokenSession(body.refresh_token);
    if (sessionId !== undefined) await sessions.endById(sessionId);
  });
}

function serveDeviceLogins(app: FastifyInstance, { deviceLogins, sessions, sessionTokens }: LoginModules): void {
  const start = sessions.startProgramSession.bind(sessions);
  registerRoute(app, api.beginDeviceLogin, async (_, { request }) => {
    const begun = await deviceLogins.begin(getLoginSource(request));
    return { ...begun, path: `/device?code=${begun.user_code}`, interval: deviceIntervalSeconds };
  });
  registerRoute(app, api.finishDeviceLogin, async ({ body }, { request }) => {
    const login = await deviceLogins.finish(body.device_code, { source: getLoginSource(request), start });
    return createLoginTokens(sessionTokens, request, login);
  });
  registerRoute(app, api.decideDeviceLogin, ({ scope, body: { user_code, decision } }, { request }) => {
    requireWholeAccount(scope);
    const source = getLoginSource(request);
    return deviceLogins.decide(user_code, { userId: scope.user_id, isApproved: decision === "confirm", source });
  });
}

function serveIdentities(app: FastifyInstance, { identities }: LoginModules): void {
  registerRoute(app, api.listIdentities, async ({ scope, query }) =>
    nameRows("identities", await identities.listPage(scope.user_id, query)),
  );
  registerRoute(app, api.removeIdentity, ({ scope, params }) => {
    requireWholeAccount(scope);
    return identities.remove(scope.user_id, params.identity_id);
  });
  registerRoute(app, api.listUserIdentities, async ({ scope, params, query }) =>
    nameRows("identities", await identities.listOfMember(scope, params.user, query)),
  );
  registerRoute(app, api.removeUserIdentity, ({ scope, params }) => {
    requireWholeAccount(scope);
    return identities.removeOfMember(scope, params.user, params.identity_id);
  });
}

function servePasskeys(app: FastifyInstance, { passkeys }: LoginModules): void {
  registerRoute(app, api.listPasskeys, async ({ scope, query }) =>
    nameRows("passkeys", await passkeys.listPage(scope.user_id, query)),
  );
  registerRoute(app, api.removePasskey, ({ scope, params }) => {
    requireWholeAccount(scope);
    return passkeys.remove(scope.user_id, params.passkey_id);
  });
  registerRoute(app, api.listUserPasskeys, async ({ scope, params, query }) =>
    nameRows("passkeys", await passkeys.listOfMember(scope, params.user, query)),
  );
  registerRoute(app, api.removeUserPasskey, ({ scope, params }) => {
    requireWholeAccount(scope);
    return passkeys.removeOfMember(scope, params.user, params.passkey_id);
  });
}

function serveOwnLogins(app: FastifyInstance, { links, logins, sessions, loginManagement }: LoginModules): void {
  registerRoute(app, api.joinOrganization, ({ scope, body }) => {
    requireWholeAccount(scope);
    return logins.joinOrganization(scope.user_id, body.token);
  });
  registerRoute(app, api.changePassword, ({ scope, body }, { request }) => {
    requireWholeAccount(scope);
    const { current_password: current, new_password: next } = body;
    return logins.changePassword(scope.user_id, {
      current,
      next,
      sessionId: scope.session?.id,
      source: getLoginSource(request),
    });
  });
  registerRoute(app, api.listSessions, async ({ scope, query }) => {
    const page = await sessions.list(scope.user_id, query);
    const lastLoginAt = await loginManagement.getLastLogin(scope.user_id);
    return {
      ...nameRows(
        "sessions",
        mapPage(page, (row) => ({ ...row, is_current: row.id === scope.session?.id })),
      ),
      ...(lastLoginAt && { last_login_at: lastLoginAt }),
    };
  });
  registerRoute(app, api.endSession, async ({ scope, params }) => {
    requireWholeAccount(scope);
    const isEnded = await sessions.end(scope.user_id, params.session_id);
    if (!isEnded) throw new WharfError("login_not_found", { id: params.session_id });
  });
  registerRoute(app, api.endSessions, async ({ scope }) => {
    requireWholeAccount(scope);
    return { ended: await loginManagement.endOtherSessions(scope.user_id, scope.session?.id) };
  });
  registerRoute(app, api.createOwnLink, async ({ scope, body }) => {
    requireWholeAccount(scope);
    return toPersonLink(await loginManagement.createOwnLink(scope, body.kind));
  });
  registerRoute(app, api.listOwnLinks, async ({ scope }) => ({ links: await links.listOpen(scope.user_id) }));
  registerRoute(app, api.revokeOwnLink, ({ scope, params }) => {
    requireWholeAccount(scope);
    return links.revoke(scope.user_id, params.link_id);
  });
  registerRoute(app, api.createUserLink, async ({ scope, params, body }) => {
    requireWholeAccount(scope);
    return toPersonLink(await loginManagement.createUserLink(scope, params.user, body.kind));
  });
  registerRoute(app, api.endUserSessions, async ({ scope, params }) => ({
    ended: await loginManagement.endUserSessions(scope, params.user),
  }));
}

function serveInvitations(app: FastifyInstance, { links }: LoginModules): void {
  registerRoute(app, api.createInvitation, async ({ scope, body: { expires_in_s, ...body } }) => {
    requireWholeAccount(scope);
    const target = { kind: "invitation", organization_id: scope.organization_id, ...body } as const;
    const lifetime = expires_in_s === undefined ? {} : { lifetimeMs: expires_in_s * 1000 };
    const { link, secret } = await links.create(target, { createdBy: scope.user_id, ...lifetime });
    return { ...toInvitation(link), path: linkPaths.invitation + secret };
  });
  registerRoute(app, api.listInvitations, async ({ scope, query }) =>
    nameRows("invitations", mapPage(await links.listInvitations(scope.organization_id, query), toInvitation)),
  );
  registerRoute(app, api.revokeInvitation, ({ scope, params }) =>
    links.revokeInvitation(scope.organization_id, params.invitation_id),
  );
}

export const getLoginSource = ({ clientAddress, headers }: FastifyRequest): LoginSource => ({
  address: clientAddress,
  user_agent: headers["user-agent"] ?? "",
});

/** A token with a list of permissions must not create a login, which has all of them. */
function requireWholeAccount(scope: Scope): void {
  const { permissions, needs } = scope;
  if (needs === "account:write") requireOwnCredentials(scope, needs);
  if (permissions !== undefined && needs !== "nothing" && needs !== "token")
    throw new WharfError("permission_missing", { permission: needs, reason: "token" });
}

interface ProgramLogin {
  readonly account: AccountRow;
  readonly session: SessionRow;
  readonly refresh_token: string;
}

async function createLoginTokens(
  sessionTokens: SessionTokens,
  request: FastifyRequest,
  { account, session, refresh_token }: ProgramLogin,
): Promise<LoginTokens> {
  request.auditTarget = { kind: "user", id: account.id };
  const { token, expires_in } = await sessionTokens.issue({ user_id: account.id, session_id: session.id });
  const { id, email, username } = account;
  return {
    token_type: "Bearer",
    access_token: token,
    expires_in,
    refresh_token,
    session_id: session.id,
    user: { id, email, username },
  };
}

interface LinkWithAccount {
  readonly link: LinkRow;
  readonly secret: string;
  readonly account: Pick<AccountRow, "id" | "email" | "username">;
}

function toPersonLink({ link, secret, account }: LinkWithAccount) {
  const { id, email, username } = account;
  const kind = link.kind === "password" ? link.kind : ("login" as const);
  return { kind, path: linkPaths[kind] + secret, expires_at: link.expires_at, user: { id, email, username } };
}

function toInvitation({ id, email, role, created_by, created_at, expires_at }: LinkRow) {
  return { id, email: email ?? "", role: role ?? "viewer", created_by, created_at, expires_at };
}
