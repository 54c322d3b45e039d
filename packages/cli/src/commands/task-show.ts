import { api, RemoteError } from "@wharf/contract";
import { type Cli, type CommandLineInput, toJsonLine } from "../cli.ts";
import { formatTask } from "../render/task.ts";
import { getTurns } from "../tasks/tasks.ts";

export async function showTask(
  { client, settings, terminal, look }: Cli,
  { args }: CommandLineInput<unknown>,
): Promise<void> {
  const params = { task_id: args[0] ?? "" };
  const [task, status, { depends_on: dependencies }, turns, { agents }] = await Promise.all([
    client.call(api.getTask, { params }),
    client.call(api.taskStatus, { params }),
    client.call(api.listDependencies, { params }),
    getTurns(client, params.task_id),
    client.call(api.listTaskAgents, { params }),
  ]);
  const query = { task_id: task.id, from: task.created_at };
  const [{ total: usage }, { total: resources }] = await Promise.all([
    client.call(api.getUsage, { query }).catch(replaceHidden),
    client.call(api.getResourceUsage, { query }).catch(replaceHidden),
  ]);
  const shown = { task, status, dependencies, turns, agents, ...(usage && { usage }), ...(resources && { resources }) };
  terminal.out(settings.json ? toJsonLine(shown) : formatTask(shown, look));
}

/** Who may read a task may not always read its usage: the token may not allow it. */
function replaceHidden(error: unknown): { readonly total: undefined } {
  if (error instanceof RemoteError && error.code === "permission_missing") return { total: undefined };
  throw error;
}
