import type { Command } from "commander";
import { z } from "zod";
import { type Cli, jsonLine, type Register } from "../cli.ts";
import { clean } from "../render/clean.ts";
import { table } from "../render/table.ts";
import { findSettings } from "../settings.ts";

export function addConfig(program: Command, register: Register): void {
  const group = program
    .command("config")
    .description("the settings of this command line; servers have names in a file");
  register(
    group.command("show").description("each setting, and where it comes from; tokens are not shown"),
    z.object({}),
    showConfig,
    { isLocal: true },
  );
}

async function showConfig({ environment, options, settings, terminal, look }: Cli): Promise<void> {
  const { config, profile, url, token, dataFolder } = findSettings(environment, options);
  const ownToken = url ? undefined : { value: "set", source: "the data folder's owner-token" };
  const found = {
    config,
    profile,
    url,
    token: token ? { value: "set", source: token.source } : ownToken,
    data_folder: dataFolder,
  };
  const rows = Object.entries(found).map(([name, one]) => ({ name, value: one?.value, source: one?.source }));
  if (settings.json) return terminal.out(jsonLine({ settings: rows }));
  const cells = rows.map(({ name, value = "–", source = "not set" }) => [name, clean(value), clean(source)]);
  terminal.out(table(["SETTING", "VALUE", "FROM"], cells, look));
}
