import type { Permission } from "@wharf/client";

/** The pages of the administration, each with the permission that it needs. */
export const adminSections = [
  { id: "people", name: "People", needs: "organization:admin" },
  { id: "agents", name: "Agents", needs: "agent-type:write" },
  { id: "hosts", name: "Hosts", needs: "host:write" },
  { id: "limits", name: "Limits", needs: "limit:write" },
  { id: "audit", name: "Audit log", needs: "audit:read" },
  { id: "models", name: "Models", needs: "server:admin" },
  { id: "server", name: "Server", needs: "server:admin" },
] as const satisfies readonly { readonly id: string; readonly name: string; readonly needs: Permission }[];
export type AdminSectionId = (typeof adminSections)[number]["id"];

/** Lists the pages that a person with these permissions may use. */
export const listAdminSections = (permissions: readonly Permission[]) =>
  adminSections.filter(({ needs }) => permissions.includes(needs));
