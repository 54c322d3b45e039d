import { join } from "node:path";
import { api, type Event, type Task } from "@wharf/contract";
import { createRepository } from "../../test/support/repository.ts";
import type { Server } from "./server.ts";

/** Adds an agent that prints JSON lines: a Node script that reads its prompt from WHARF_PROMPT. */
export async function addPrintingAgent(
  server: Server,
  options: { name: string; script: string; route?: string },
): Promise<void> {
  const { name, script, route } = options;
  const body = {
    name,
    command: ["node", "-e", script],
    protocol: "json-lines" as const,
    environment_vars: { WHARF_GATEWAY: "${WHARF_GATEWAY}", WHARF_TOKEN: "${WHARF_TOKEN}" },
    ...(route !== undefined && { model_route: route }),
  };
  await server.client.call(api.createAgentType, { body });
}

/** Creates a task for this agent on the board, with a separate repository. */
export async function createTask(server: Server, agent: string, folder: string): Promise<Task> {
  const { default_board_id } = await server.client.call(api.serverInfo, {});
  const repository_url = createRepository(join(folder, "repository"));
  const body = {
    title: "A benchmark",
    description: "as told",
    agent_type: agent,
    repository_url,
    permission_policy: "allow-all" as const,
  };
  return server.client.call(api.createTask, { params: { board_id: default_board_id! }, body });
}

/** Prompts the task; the returned id identifies the turn's end in the log. */
export async function promptTask(server: Server, task: Task, text: string): Promise<string> {
  const turn = await server.client.call(api.promptTask, { params: { task_id: task.id }, body: { text } });
  return turn.id;
}

/** Returns whether the event ends the turn; throws if the turn ended abnormally. */
export function isTurnEnd({ data }: Event, turnId: string): boolean {
  if (data.kind !== "turn" || data.turn_id !== turnId || data.status === "queued" || data.status === "started")
    return false;
  if (data.stop_reason === "end_turn") return true;
  throw new Error(`the turn was ${data.status}: ${data.reason ?? data.stop_reason}`);
}
