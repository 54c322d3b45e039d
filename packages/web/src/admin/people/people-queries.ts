import { queryOptions } from "@tanstack/react-query";
import type { OrganizationRole } from "@wharf/client";
import { wharf } from "../../api/index.ts";

export const invitationsQuery = queryOptions({
  queryKey: ["invitations"],
  queryFn: async ({ signal }) => (await wharf.invitations.listInvitations({}, { signal })).invitations,
});

export const roles: readonly OrganizationRole[] = ["member", "admin", "viewer"];
