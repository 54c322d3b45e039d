import { api, type LoginSession, LoginSessionSort } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { formatAge } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable } from "../render/table.ts";
import { readList } from "../server/lists.ts";
import { addListOptions, addSortOption, ListOptions, mentionMore } from "./list-options.ts";

const SessionListOptions = ListOptions.extend({ sort: LoginSessionSort.optional() });

export function addSession(program: Command, register: RegisterCommand): void {
  const group = addExamples(program.command("session").description("Your logins, in browsers and programs"), [
    "wharf session ls",
  ]);
  const list = group.command("ls").description("List your logins");
  addListOptions(addSortOption(list, LoginSessionSort.options), "logins");
  register(addExamples(list, ["wharf session ls"]), SessionListOptions, listSessions);
  const end = group
    .command("end")
    .argument("<session>", "id of the login")
    .description("End one of your logins; `wharf logout --all` ends all others");
  register(addExamples(end, ["wharf session end 5f0c7a2e-4d1b-4c58-9a39-0d6f2b7e8c11"]), z.object({}), endSession);
}

async function listSessions(
  { client, settings, terminal, look }: Cli,
  { options: { sort, ...page } }: CommandLineInput<z.infer<typeof SessionListOptions>>,
): Promise<void> {
  const answer = await readList(client, api.listSessions, { query: { ...(sort && { sort }) } }, page);
  const { sessions, next_cursor } = answer;
  if (settings.json) return terminal.out(toJsonLine({ sessions, next_cursor }));
  if (sessions.length === 0) return terminal.out("You have no logins. Tokens are not logins.\n");
  terminal.out(formatTable(["ID", "KIND", "BY", "FROM", "LAST USE", "PROGRAM"], sessions.map(toRow), look));
  mentionMore({ terminal }, answer);
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
