import { type AccessToken, AccessTokenInput, AccessTokenSort, api, Permission, WharfError } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { createListOption } from "../input/option-values.ts";
import { formatAge } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable, maxCellLength } from "../render/table.ts";
import { readAllRows, readList } from "../server/lists.ts";
import { toShortId } from "../tasks/tasks.ts";
import { addListOptions, addSortOption, ListOptions, mentionMore } from "./list-options.ts";

const TokenListOptions = ListOptions.extend({ sort: AccessTokenSort.optional() });
const CreateOptions = z.object({
  permission: z.array(Permission).optional(),
  expires: z
    .string()
    .transform((text) => (/^\d+d$/.test(text) ? Number(text.slice(0, -1)) : Number.NaN))
    .refine((days) => AccessTokenInput.shape.expires_in_days.safeParse(days).success, "days from 1d to 3650d")
    .optional(),
  user: AccessTokenInput.shape.user,
});

export function addToken(program: Command, register: RegisterCommand): void {
  const group = program
    .command("token")
    .summary("Create and revoke access tokens")
    .description("Create and revoke access tokens. A token acts for one user in one organization.");
  addExamples(group, ["wharf token ls", "wharf token create laptop --expires 90d"]);
  const create = group
    .command("create")
    .summary("Create a token")
    .description("Create a token and print it. This is the only time: the server stores a hash of it.")
    .argument("<name>", "name by which you recognise the token")
    .addOption(
      createListOption("--permission <permission>", "what the token may do (default: all that its user may)", {
        choices: Permission.options,
      }),
    )
    .option("--expires <days>", "when the token ends, such as 90d (default: never)")
    .option("--user <username>", "user of the token; admins create tokens for other users");
  const createLines = [
    "wharf token create laptop --expires 90d",
    "wharf token create dashboard --permission task:read --permission usage:read",
    "wharf token create ci --user nightly-build",
  ];
  register(addExamples(create, createLines), CreateOptions, createToken);
  const ls = group.command("ls").description("List your tokens; for admins, those of all users of the organization");
  addListOptions(addSortOption(ls, AccessTokenSort.options), "tokens");
  register(addExamples(ls, ["wharf token ls"]), TokenListOptions, listTokens);
  const rm = group
    .command("rm")
    .summary("Revoke a token")
    .description("Revoke a token. Requests with it fail from then on, and its open streams are closed.")
    .argument("<token>", "id of the token, or its first 8 or more characters");
  register(addExamples(rm, ["wharf token rm 1f2e3d4c"]), z.object({}), revokeToken);
}

/** The token is alone on stdout, so that a shell can store it. */
async function createToken(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof CreateOptions>>,
): Promise<void> {
  const { permission, expires, user } = options;
  const body = { name: args[0] ?? "", permissions: permission, expires_in_days: expires, user };
  const created = await client.call(api.createAccessToken, { body });
  if (settings.json) return terminal.out(toJsonLine(created));
  terminal.out(`${toSingleLine(created.token)}\n`);
  const end = created.expires_at === undefined ? "does not expire" : `expires on ${formatDay(created.expires_at)}`;
  terminal.err(
    `This is the token '${toSingleLine(created.name)}' of ${toSingleLine(created.username)}, which ${end}. It is not shown again. Use it as WHARF_TOKEN.\n`,
  );
}

async function listTokens(
  { client, settings, terminal, look }: Cli,
  { options: { sort, ...page } }: CommandLineInput<z.infer<typeof TokenListOptions>>,
): Promise<void> {
  const answer = await readList(client, api.listAccessTokens, { query: { ...(sort && { sort }) } }, page);
  if (settings.json) return terminal.out(toJsonLine(answer));
  if (answer.tokens.length === 0)
    return terminal.err("There are no tokens. Create one with `wharf token create <name>`.\n");
  const header = ["TOKEN", "NAME", "USER", "ENDS WITH", "LAST USED", "EXPIRES", "MAY"];
  terminal.out(formatTable(header, answer.tokens.map(toCells), look));
  mentionMore({ terminal }, answer);
}

const toCells = (token: AccessToken): string[] => [
  toShortId(token.id),
  toSingleLine(token.name, maxCellLength),
  toSingleLine(token.username),
  `…${toSingleLine(token.hint)}`,
  token.last_used_at === undefined ? "never" : formatAge(token.last_used_at),
  token.expires_at === undefined ? "never" : formatDay(token.expires_at),
  token.permissions?.join(", ") ?? "all that the user may",
];

const formatDay = (time: string): string => toSingleLine(time.slice(0, "2026-01-31".length));

async function revokeToken({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const id = args[0] ?? "";
  const tokens = await readAllRows(client, api.listAccessTokens, {});
  const matches = tokens.filter((token) => id.length >= 8 && token.id.startsWith(id.toLowerCase()));
  if (matches.length > 1) throw new WharfError("ambiguous_id", { what: "token", id });
  const [token] = matches;
  if (!token) throw new WharfError("access_token_not_found", { id });
  await client.call(api.revokeAccessToken, { params: { token_id: token.id } });
  terminal.out(
    settings.json
      ? toJsonLine({ revoked: token })
      : `Revoked the token '${toSingleLine(token.name)}' of ${toSingleLine(token.username)}.\n`,
  );
}
