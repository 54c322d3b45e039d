import { api, type Event, listedModels, listedModes, type Offered, sessionOptions, type Task } from "@wharf/contract";
import { z } from "zod";
import { type Cli, type Input, jsonLine } from "../cli.ts";
import { usageError } from "../failure.ts";
import { clean } from "../render/clean.ts";
import { readLog, shortId } from "../tasks.ts";

type What = "mode" | "model";

export const ChoiceOptions = z.object({ default: z.boolean().default(false) });

const wishOf = (task: Task, what: What): string | undefined => (what === "mode" ? task.agent_mode : task.agent_model);

/** Sets the task's mode or model, or shows what there is to choose from. */
export const chooseFor =
  (what: What) =>
  async (cli: Cli, { args, options }: Input<z.infer<typeof ChoiceOptions>>): Promise<void> => {
    const { client, settings, terminal } = cli;
    const task = await client.call(api.getTask, { params: { task_id: args[0] ?? "" } });
    const id = args[1];
    if (id !== undefined && options.default) throw usageError(`name a ${what} or --default, not both`);
    if (id === undefined && !options.default) return showOffer(cli, task, what);
    const params = { task_id: task.id };
    const changed =
      what === "mode"
        ? await client.call(api.setTaskMode, { params, body: { mode_id: id } })
        : await client.call(api.setTaskModel, { params, body: { model_id: id } });
    if (settings.json) return terminal.out(jsonLine(changed));
    terminal.out(
      `The agent is told, now or when it is next at work; \`wharf task logs ${shortId(task.id)}\` says if it refuses.\n`,
    );
  };

async function showOffer({ client, settings, terminal }: Cli, task: Task, what: What): Promise<void> {
  const chosen = wishOf(task, what);
  const { offered, current = chosen } = await offerOf(readLog(client, task.id), what);
  if (settings.json) return terminal.out(jsonLine({ chosen, current, offered }));
  if (chosen !== undefined) terminal.err(`Chosen for this task: ${clean(chosen)}\n`);
  if (offered.length === 0)
    return terminal.err(`No ${what} to choose from is known: an agent tells of them when it starts.\n`);
  for (const { id, name } of offered)
    terminal.out(
      `${id === current ? "*" : " "} ${clean(id)}${name === id ? "" : `  ${terminal.style.dim(clean(name))}`}\n`,
    );
}

/** What the task's agent said last that it offers, and what of it is in force. */
async function offerOf(
  log: AsyncIterable<Event>,
  what: What,
): Promise<{ offered: readonly Offered[]; current?: string }> {
  let listed: readonly Offered[] | undefined;
  let options: unknown;
  let told: string | undefined;
  for await (const { data } of log) {
    if (data.kind === "session") told = data[what] ?? told;
    if (data.kind !== "agent_info") continue;
    if (data.update === "session") {
      listed = what === "mode" ? listedModes(data["modes"]) : listedModels(data["models"]);
      options = data["config_options"];
    }
    if (data.update === "config_option_update") options = data["configOptions"];
  }
  const option = sessionOptions(options).find(({ category }) => category === what);
  if (!option) return { offered: listed ?? [], ...(told !== undefined && { current: told }) };
  return { offered: option.options, ...(option.currentValue !== undefined && { current: option.currentValue }) };
}
