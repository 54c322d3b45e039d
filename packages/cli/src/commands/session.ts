import { api, type LoginSession, LoginSessionSort, type OpenLink } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { formatAge } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable, maxCellLength } from "../render/table.ts";
import { readList } from "../server/lists.ts";
import { addListOptions, addSortOption, ListOptions, mentionMore } from "./list-options.ts";

const exampleId = "5f0c7a2e-4d1b-4c58-9a39-0d6f2b7e8c11";
const purposes = { login: "logs you in", password: "sets your password" } as const;
const SessionListOptions = ListOptions.extend({ sort: LoginSessionSort.optional() });

export function addSession(program: Command, register: RegisterCommand): void {
  const group = addExamples(program.command("session").description("Your logins, in browsers and programs"), [
    "wharf session ls",
    "wharf session links",
  ]);
  const list = group.command("ls").description("List your logins");
  addListOptions(addSortOption(list, LoginSessionSort.options), "logins");
  register(addExamples(list, ["wharf session ls"]), SessionListOptions, listSessions);
  const end = group
    .command("end")
    .argument("<session>", "id of the login")
    .description("End one of your logins; `wharf logout --all` ends all others");
  const links = group.command("links").description("List the unused links that log you in or set your password");
  register(addExamples(links, ["wharf session links"]), z.object({}), listLinks);
  const revoke = group.command("revoke").argument("<link>", "id of the link").description("Revoke an unused link");
  register(addExamples(revoke, [`wharf session revoke ${exampleId}`]), z.object({}), revokeLink);
  register(addExamples(end, [`wharf session end ${exampleId}`]), z.object({}), endSession);
}

async function listSessions(
  { client, settings, terminal, look }: Cli,
  { options: { sort, ...page } }: CommandLineInput<z.infer<typeof SessionListOptions>>,
): Promise<void> {
  const answer = await readList(client, api.listSessions, { query: { ...(sort && { sort }) } }, page);
  const { sessions, next_cursor } = answer;
  if (settings.json) return terminal.out(toJsonLine({ sessions, next_cursor }));
  if (sessions.length === 0) terminal.out("You have no logins. Tokens are not logins.\n");
  else terminal.out(formatTable(["ID", "KIND", "BY", "FROM", "LAST USE", "PROGRAM"], sessions.map(toRow), look));
  mentionMore({ terminal }, answer);
  const { links } = await client.call(api.listOwnLinks, {});
  if (links.length > 0) terminal.err("Unused links can start others: `wharf session links` lists them.\n");
}

const toRow = ({ id, kind, method, address, used_at, user_agent, is_current }: LoginSession): string[] => [
  id,
  is_current ? `${kind} (this)` : kind,
  method,
  toSingleLine(address, 60),
  formatAge(used_at),
  toSingleLine(user_agent, 100),
];

async function endSession({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const [id = ""] = args;
  await client.call(api.endSession, { params: { session_id: id } });
  terminal.out(settings.json ? toJsonLine({ ended: id }) : "The login has ended.\n");
}

async function listLinks({ client, settings, terminal, look }: Cli): Promise<void> {
  const { links } = await client.call(api.listOwnLinks, {});
  if (settings.json) return terminal.out(toJsonLine({ links }));
  if (links.length === 0) return terminal.out("You have no unused links.\n");
  terminal.out(formatTable(["ID", "USE", "CREATED", "BY", "WORKS UNTIL"], links.map(toLinkRow), look));
}

const toLinkRow = ({ id, kind, created_at, created_by = "", expires_at }: OpenLink): string[] => [
  id,
  purposes[kind],
  formatAge(created_at),
  toSingleLine(created_by, maxCellLength),
  toSingleLine(expires_at, 40),
];

async function revokeLink({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const [id = ""] = args;
  await client.call(api.revokeOwnLink, { params: { link_id: id } });
  terminal.out(settings.json ? toJsonLine({ revoked: id }) : "The link no longer works.\n");
}
