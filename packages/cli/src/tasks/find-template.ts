import { api, type Template, WharfError } from "@wharf/contract";
import { createUsageError } from "../failure.ts";
import { toSingleLine } from "../render/safe-text.ts";
import type { Client } from "../server/client.ts";
import { readAllRows } from "../server/lists.ts";

/** Finds a template by its name or id. A board's own one comes before that of the organization. */
export async function findTemplate(client: Client, name: string, boardId: string | undefined): Promise<Template> {
  const templates = await readAllRows(client, api.listTemplates, {});
  const matches = templates.filter((template) => template.name === name || template.id === name);
  const ofBoard = matches.filter(({ board_id }) => board_id === boardId);
  const candidates = ofBoard.length > 0 ? ofBoard : matches.filter(({ board_id }) => !boardId || !board_id);
  const [template, another] = candidates;
  if (!template) throw new WharfError("template_not_found", { name });
  if (another)
    throw createUsageError(`several templates have the name '${toSingleLine(name, 60)}'; choose one with --board`);
  return template;
}
