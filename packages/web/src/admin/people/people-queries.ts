import { queryOptions } from "@tanstack/react-query";
import type { OrganizationRole } from "@wharf/client";
import { maxPageLength, wharf } from "../../api/index.ts";

export const invitationsQuery = queryOptions({
  queryKey: ["invitations"],
  queryFn: ({ signal }) => Array.fromAsync(wharf.invitations.iterateInvitations({ limit: maxPageLength }, { signal })),
});

export const roles: readonly OrganizationRole[] = ["member", "admin", "viewer"];
