import { api, type NamedTier, type PermissionPolicy, type Task, WharfError } from "@wharf/contract";
import { getRepositoryUrl } from "../input/repository.ts";
import { toSingleLine } from "../render/safe-text.ts";
import type { Client } from "../server/client.ts";
import { findBoard, getTaskBoardId } from "./find-board.ts";
import { findTemplate } from "./find-template.ts";

/** Limits a title that is derived from the prompt. */
const maxTitleLength = 100;

/** The task of `wharf run`, as the user describes it. Without a prompt it has a template. */
export interface RunTaskRequest {
  readonly what: string | undefined;
  readonly template?: string | undefined;
  /** The values of the template's placeholders. */
  readonly set: Readonly<Record<string, string>>;
  readonly repository: string | undefined;
  readonly title?: string | undefined;
  readonly agent?: string | undefined;
  readonly branch?: string | undefined;
  readonly board?: string | undefined;
  readonly mode?: string | undefined;
  readonly model?: string | undefined;
  readonly tier?: NamedTier | undefined;
  readonly policy?: PermissionPolicy | undefined;
  readonly defaultPolicy: PermissionPolicy;
}

interface RunTaskContext {
  readonly client: Client;
  readonly folder: string;
}

/** Creates the task of `wharf run`, unless its agent is not available. */
export async function createRunTask(
  { client, folder }: RunTaskContext,
  request: RunTaskRequest,
  signal: AbortSignal,
): Promise<Task> {
  const { what, template: templateName, policy, defaultPolicy } = request;
  if (what !== undefined && templateName === undefined) {
    await requireAvailable(client, request.agent, signal);
    const boardId = await getTaskBoardId(client, request.board, signal);
    const title = request.title ?? (toSingleLine(what.trim().split("\n")[0] ?? "", maxTitleLength) || "Task");
    const body = { ...toFields(request), title, description: what, permission_policy: policy ?? defaultPolicy };
    return client.call(api.createTask, { params: { board_id: boardId }, body }, { signal });
  }
  const named = request.board === undefined ? undefined : (await findBoard(client, request.board)).id;
  const { id, board_id, fields } = await findTemplate(client, templateName ?? "", named);
  await requireAvailable(client, request.agent ?? fields.agent_type, signal);
  const body = {
    ...toFields(request),
    title: request.title,
    repository_url: request.repository ?? fields.repository_url ?? (await getRepositoryUrl(undefined, folder)),
    permission_policy: policy ?? fields.permission_policy ?? defaultPolicy,
    board_id: named ?? board_id ?? (await getTaskBoardId(client, undefined, signal)),
    values: { ...request.set },
  };
  return client.call(api.createTaskFromTemplate, { params: { template_id: id }, body }, { signal });
}

const toFields = ({ repository, agent, branch, mode, model, tier }: RunTaskRequest) => ({
  repository_url: repository,
  agent_type: agent,
  branch,
  agent_mode: mode,
  agent_model: model,
  tier,
});

/** Throws before a task is created that could not start. */
async function requireAvailable(client: Client, name: string | undefined, signal: AbortSignal): Promise<void> {
  if (name === undefined) return;
  const type = await client.call(api.getAgentType, { params: { type_id: name } }, { signal });
  if (!type.available)
    throw new WharfError("agent_type_unavailable", { name, reason: type.unavailable_reason ?? "unknown" });
}
