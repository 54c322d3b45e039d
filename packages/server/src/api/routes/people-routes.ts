import { api } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import type { AccessTokens, Members, Organizations } from "../../access/index.ts";
import { nameRows } from "../../store/index.ts";
import type { BoardMembers } from "../../tasks/index.ts";
import { registerRoute } from "../http/register-route.ts";

export interface PeopleModules {
  readonly organizations: Organizations;
  readonly members: Members;
  readonly accessTokens: AccessTokens;
  readonly boardMembers: BoardMembers;
}

/** Routes of organisations, their users, and the tokens and boards of these. */
export function servePeople(app: FastifyInstance, modules: PeopleModules): void {
  const { organizations, members, accessTokens, boardMembers } = modules;
  registerRoute(app, api.whoami, ({ scope }) => organizations.describeCaller(scope));
  registerRoute(app, api.createOrganization, ({ scope, body }) => organizations.create(scope, body));
  registerRoute(app, api.listMembers, async ({ scope, query }) => nameRows("users", await members.list(scope, query)));
  registerRoute(app, api.addMember, ({ scope, body }) => members.add(scope, body));
  registerRoute(app, api.setMemberRole, ({ scope, params, body }) => members.setRole(scope, params.user, body.role));
  registerRoute(app, api.removeMember, ({ scope, params }) => members.remove(scope, params.user));
  registerRoute(app, api.listBoardMembers, async ({ scope, params, query }) =>
    nameRows("members", await boardMembers.list(scope, params.board_id, query)),
  );
  registerRoute(app, api.shareBoard, ({ scope, params: { board_id, user }, body: { role } }) =>
    boardMembers.share(scope, board_id, { user, role }),
  );
  registerRoute(app, api.unshareBoard, ({ scope, params }) =>
    boardMembers.unshare(scope, params.board_id, params.user),
  );
  registerRoute(app, api.listAccessTokens, async ({ scope, query }) =>
    nameRows("tokens", await accessTokens.list(scope, query)),
  );
  registerRoute(app, api.createAccessToken, ({ scope, body }) => accessTokens.create(scope, body));
  registerRoute(app, api.revokeAccessToken, ({ scope, params }) => accessTokens.revoke(scope, params.token_id));
}
