import { api, type EndpointOutput, hasRolePermission, Permission } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatFields } from "../render/table.ts";

type Identity = EndpointOutput<typeof api.whoami>;

export function addWhoami(program: Command, register: RegisterCommand): void {
  const command = program
    .command("whoami")
    .summary("Show your user, organization and permissions")
    .description("Show the user and the organization in which commands act, and what the token may do.");
  register(addExamples(command, ["wharf whoami", "wharf whoami --org acme"]), z.object({}), showIdentity);
}

async function showIdentity({ client, settings, terminal }: Cli): Promise<void> {
  const identity = await client.call(api.whoami, {});
  if (settings.json) return terminal.out(toJsonLine(identity));
  const { user, organization, role, organizations } = identity;
  const others = organizations.filter(({ id }) => id !== organization.id);
  const fields = [
    ["user", toSingleLine(user.username) + (user.is_operator ? " (runs the server)" : "")],
    ["organization", `${formatOrganization(organization)}, as ${role}`],
    ["also in", others.map((one) => `${formatOrganization(one)}, as ${one.role}`).join("\n")],
    ["may", formatPermissions(identity)],
  ] as const;
  terminal.out(formatFields(fields, terminal.style));
}

const formatOrganization = ({ name, slug }: { readonly name: string; readonly slug: string }): string =>
  `${toSingleLine(slug)} (${toSingleLine(name)})`;

/** A token without limits has all permissions of its user's role. */
function formatPermissions({ user, role, permissions }: Identity): string {
  const held = new Set(permissions);
  const isFull = Permission.options.every(
    (name) => held.has(name) || !hasRolePermission({ role, is_operator: user.is_operator }, name),
  );
  return isFull ? `all that the role ${role} allows` : permissions.join("\n");
}
