import type { PersonLink } from "@wharf/contract";
import { type Cli, toJsonLine } from "../cli.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { getPublicUrl } from "../server/server-address.ts";

const purposes = {
  login: "logs {name} in with a browser",
  password: "lets {name} set a password, which ends all earlier logins",
} as const;

/** Prints a link that works once. Nothing but the link goes to stdout. */
export async function printPersonLink({ settings, terminal }: Cli, created: PersonLink): Promise<void> {
  const { kind, path, expires_at, user } = created;
  const link = (await getPublicUrl(settings)) + path;
  if (settings.json) return terminal.out(toJsonLine({ type: "link", kind, link, expires_at, user }));
  terminal.out(`${toSingleLine(link, 600)}\n`);
  const purpose = purposes[kind].replace("{name}", toSingleLine(user.username, 100));
  terminal.err(`The link ${purpose}. It works once, until ${toSingleLine(expires_at, 40)}.\n`);
}
