import {
  api,
  type Event,
  parseModels,
  parseModes,
  type OfferedChoice,
  parseSessionOptions,
  type Task,
} from "@wharf/contract";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { toSafeText } from "../render/safe-text.ts";
import { readLog, toShortId } from "../tasks/tasks.ts";

type ChoiceKind = "mode" | "model";

export const ChoiceOptions = z.object({ default: z.boolean().default(false) });

const getChosenId = (task: Task, what: ChoiceKind): string | undefined =>
  what === "mode" ? task.agent_mode : task.agent_model;

/** Sets the task's mode or model, or shows the available choices. */
export const createChoiceCommand =
  (what: ChoiceKind) =>
  async (cli: Cli, { args, options }: CommandLineInput<z.infer<typeof ChoiceOptions>>): Promise<void> => {
    const { client, settings, terminal } = cli;
    const task = await client.call(api.getTask, { params: { task_id: args[0] ?? "" } });
    const id = args[1];
    if (id !== undefined && options.default) throw createUsageError(`give the id of a ${what} or --default, not both`);
    if (id === undefined && !options.default) return showChoices(cli, task, what);
    const params = { task_id: task.id };
    const updatedTask =
      what === "mode"
        ? await client.call(api.setTaskMode, { params, body: { mode_id: id } })
        : await client.call(api.setTaskModel, { params, body: { model_id: id } });
    if (settings.json) return terminal.out(toJsonLine(updatedTask));
    terminal.out(
      `The agent changes its ${what} now, or when it runs again. \`wharf task logs ${toShortId(task.id)}\` shows a refusal.\n`,
    );
  };

async function showChoices({ client, settings, terminal }: Cli, task: Task, what: ChoiceKind): Promise<void> {
  const chosen = getChosenId(task, what);
  const { offered, current = chosen } = await getOffer(readLog(client, task.id), what);
  if (settings.json) return terminal.out(toJsonLine({ chosen, current, offered }));
  if (chosen !== undefined) terminal.err(`Chosen for this task: ${toSafeText(chosen)}\n`);
  if (offered.length === 0) return terminal.err(`No ${what}s are known yet. The agent reports them when it starts.\n`);
  for (const { id, name } of offered)
    terminal.out(
      `${id === current ? "*" : " "} ${toSafeText(id)}${name === id ? "" : `  ${terminal.style.dim(toSafeText(name))}`}\n`,
    );
}

/** Finds the agent's latest offer, and the choice in effect. */
async function getOffer(
  log: AsyncIterable<Event>,
  what: ChoiceKind,
): Promise<{ offered: readonly OfferedChoice[]; current?: string }> {
  let listed: readonly OfferedChoice[] | undefined;
  let options: unknown;
  let currentId: string | undefined;
  for await (const { data } of log) {
    if (data.kind === "session") currentId = data[what] ?? currentId;
    if (data.kind !== "agent_info") continue;
    if (data.update === "session") {
      listed = what === "mode" ? parseModes(data["modes"]) : parseModels(data["models"]);
      options = data["config_options"];
    }
    if (data.update === "config_option_update") options = data["configOptions"];
  }
  const option = parseSessionOptions(options).find(({ category }) => category === what);
  if (!option) return { offered: listed ?? [], ...(currentId !== undefined && { current: currentId }) };
  return { offered: option.options, ...(option.currentValue !== undefined && { current: option.currentValue }) };
}
