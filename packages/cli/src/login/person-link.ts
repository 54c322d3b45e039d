import type { PersonLink } from "@wharf/contract";
import { type Cli, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { getPublicUrl } from "../server/server-address.ts";

const purposes = {
  login: "logs {name} in with a browser",
  password: "lets {name} set a password, which ends all earlier logins",
} as const;

const linkForm = /^\/(login|password|invitations)\/([\w-]{20,100})$/;

/** Parses a link that somebody got from a Wharf server. */
export function parsePersonLink(link: string): { url: string; kind: string; token: string } {
  const address = URL.parse(link);
  const [, kind, token = ""] = linkForm.exec(address?.pathname ?? "") ?? [];
  if (!address || kind === undefined)
    throw createUsageError(`'${toSingleLine(link, 60)}' is not a link of a Wharf server`);
  return { url: address.origin, kind, token };
}

/** Prints a link that works once. Nothing but the link goes to stdout. */
export async function printPersonLink({ settings, terminal }: Cli, created: PersonLink): Promise<void> {
  const { kind, path, expires_at, user } = created;
  const link = (await getPublicUrl(settings)) + path;
  if (settings.json) return terminal.out(toJsonLine({ type: "link", kind, link, expires_at, user }));
  terminal.out(`${toSingleLine(link, 600)}\n`);
  const purpose = purposes[kind].replace("{name}", toSingleLine(user.username, 100));
  terminal.err(`The link ${purpose}. It works once, until ${toSingleLine(expires_at, 40)}.\n`);
}
