import { api, type LoginIdentity, type Passkey } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { formatAge } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable, maxCellLength } from "../render/table.ts";
import { readList } from "../server/lists.ts";
import { addListOptions, ListOptions, mentionMore } from "./list-options.ts";

const Options = z.object({ user: z.string().min(1).max(100).optional() });
type Input = CommandLineInput<z.infer<typeof Options>>;
const MethodListOptions = ListOptions.extend(Options.shape);
type ListInput = CommandLineInput<z.infer<typeof MethodListOptions>>;

const exampleId = "5f0c7a2e-4d1b-4c58-9a39-0d6f2b7e8c11";

/** Adds the commands for the ways in which people log in without a password. */
export function addLoginMethods(program: Command, register: RegisterCommand): void {
  const passkey = program
    .command("passkey")
    .summary("List and remove passkeys")
    .description("List and remove passkeys. People add them on the page of their account, with a browser.");
  addExamples(passkey, ["wharf passkey ls", "wharf passkey ls --user ada"]);
  const list = passkey.command("ls").description("List your passkeys");
  register(
    addExamples(addListOptions(addUserOption(list), "passkeys"), ["wharf passkey ls", "wharf passkey ls --user ada"]),
    MethodListOptions,
    listPasskeys,
  );
  const remove = passkey
    .command("rm")
    .argument("<passkey>", "id of the passkey")
    .summary("Remove a passkey")
    .description(
      "Remove a passkey, such as one on a lost device. It ends no login: `wharf session end` and `wharf user logout` do.",
    );
  register(addExamples(addUserOption(remove), [`wharf passkey rm ${exampleId}`]), Options, removePasskey);

  const identity = program
    .command("identity")
    .summary("List and remove logins with a provider")
    .description("List and remove the persons of login providers who log in to an account.");
  addExamples(identity, ["wharf identity ls", "wharf identity ls --user ada"]);
  const ls = identity.command("ls").description("List the login providers of your account");
  register(
    addExamples(addListOptions(addUserOption(ls), "providers"), ["wharf identity ls", "wharf identity ls --user ada"]),
    MethodListOptions,
    listIdentities,
  );
  const rm = identity
    .command("rm")
    .argument("<identity>", "id of the identity")
    .summary("Stop using a login provider")
    .description(
      "Stop using a login provider for an account. It ends no login: `wharf session end` and `wharf user logout` do.",
    );
  register(addExamples(addUserOption(rm), [`wharf identity rm ${exampleId}`]), Options, removeIdentity);
}

const addUserOption = (command: Command): Command =>
  command.option("--user <username>", "another member of the organization, for admins");

async function listPasskeys(
  { client, settings, terminal, look }: Cli,
  { options: { user, ...page } }: ListInput,
): Promise<void> {
  const answer =
    user === undefined
      ? await readList(client, api.listPasskeys, {}, page)
      : await readList(client, api.listUserPasskeys, { params: { user } }, page);
  if (settings.json) return terminal.out(toJsonLine(answer));
  const { passkeys } = answer;
  if (passkeys.length === 0) return terminal.out("There are no passkeys.\n");
  terminal.out(
    formatTable(["ID", "ADDED", "LAST USE", "SYNCED", "WORKS AT", "NAME"], passkeys.map(toPasskeyRow), look),
  );
  mentionMore({ terminal }, answer);
}

const toPasskeyRow = ({ id, name, domain, is_synced, created_at, used_at }: Passkey): string[] => [
  id,
  formatAge(created_at),
  used_at === undefined ? "never" : formatAge(used_at),
  is_synced ? "yes" : "no",
  toSingleLine(domain, maxCellLength),
  toSingleLine(name, maxCellLength),
];

async function removePasskey({ client, settings, terminal }: Cli, { args, options: { user } }: Input): Promise<void> {
  const [id = ""] = args;
  if (user === undefined) await client.call(api.removePasskey, { params: { passkey_id: id } });
  else await client.call(api.removeUserPasskey, { params: { user, passkey_id: id } });
  terminal.out(settings.json ? toJsonLine({ removed: id }) : "The passkey is removed.\n");
}

async function listIdentities(
  { client, settings, terminal, look }: Cli,
  { options: { user, ...page } }: ListInput,
): Promise<void> {
  const answer =
    user === undefined
      ? await readList(client, api.listIdentities, {}, page)
      : await readList(client, api.listUserIdentities, { params: { user } }, page);
  if (settings.json) return terminal.out(toJsonLine(answer));
  const { identities } = answer;
  if (identities.length === 0) return terminal.out("No login provider is linked.\n");
  terminal.out(formatTable(["ID", "ADDED", "LAST USE", "PROVIDER", "E-MAIL"], identities.map(toIdentityRow), look));
  mentionMore({ terminal }, answer);
}

const toIdentityRow = ({ id, issuer, email, created_at, used_at }: LoginIdentity): string[] => [
  id,
  formatAge(created_at),
  formatAge(used_at),
  toSingleLine(issuer, maxCellLength),
  toSingleLine(email, maxCellLength),
];

async function removeIdentity({ client, settings, terminal }: Cli, { args, options: { user } }: Input): Promise<void> {
  const [id = ""] = args;
  if (user === undefined) await client.call(api.removeIdentity, { params: { identity_id: id } });
  else await client.call(api.removeUserIdentity, { params: { user, identity_id: id } });
  terminal.out(settings.json ? toJsonLine({ removed: id }) : "The login provider is removed from the account.\n");
}
