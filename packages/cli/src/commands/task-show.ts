import { api } from "@wharf/contract";
import { type Cli, type Input, jsonLine } from "../cli.ts";
import { taskText } from "../render/task.ts";
import { readTurns } from "../tasks.ts";

export async function showTask({ client, settings, terminal, look }: Cli, { args }: Input<unknown>): Promise<void> {
  const params = { task_id: args[0] ?? "" };
  const [task, turns, { agents }] = await Promise.all([
    client.call(api.getTask, { params }),
    readTurns(client, params.task_id),
    client.call(api.listTaskAgents, { params }),
  ]);
  terminal.out(settings.json ? jsonLine({ task, turns, agents }) : taskText({ task, turns, agents }, look));
}
