import type { Command } from "commander";
import { z } from "zod";
import { type Cli, toJsonLine, type RegisterCommand } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { toSafeText } from "../render/safe-text.ts";
import { formatTable } from "../render/table.ts";
import { getResolvedSettings } from "../settings/settings.ts";

export function addConfig(program: Command, register: RegisterCommand): void {
  const group = addExamples(program.command("config").description("Show the settings of the command line"), [
    "wharf config show",
  ]);
  const show = group
    .command("show")
    .summary("Show each setting and its source")
    .description(
      "Show each setting and its source: an option, a variable or a line of the file. Tokens are not shown.",
    );
  register(addExamples(show, ["wharf config show", "wharf config show --profile work"]), z.object({}), showConfig, {
    isLocal: true,
  });
}

async function showConfig({ environment, options, settings, terminal, look }: Cli): Promise<void> {
  const { config, profile, url, token, organization, dataFolder } = getResolvedSettings(environment, options);
  const ownToken = url ? undefined : { value: "set", source: "the data folder's owner-token" };
  const resolved = {
    config,
    profile,
    url,
    token: token ? { value: "set", source: token.source } : ownToken,
    organization,
    data_folder: dataFolder,
  };
  const rows = Object.entries(resolved).map(([name, one]) => ({ name, value: one?.value, source: one?.source }));
  if (settings.json) return terminal.out(toJsonLine({ settings: rows }));
  const cells = rows.map(({ name, value = "–", source = "not set" }) => [name, toSafeText(value), toSafeText(source)]);
  terminal.out(formatTable(["SETTING", "VALUE", "FROM"], cells, look));
}
