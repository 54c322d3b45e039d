import type { TaskInput } from "@wharf/contract";
import type { Scope } from "../../access/index.ts";
import type { AgentTypes } from "../../agent-types/index.ts";
import type { Mirrors } from "../../gateway/index.ts";
import type { Executor } from "../../store/index.ts";
import type { Boards, TaskDependencies, TaskRow, Tasks } from "../../tasks/index.ts";
import { createTaskBudget } from "../../usage/index.ts";

export interface TaskCreationModules {
  readonly agentTypes: AgentTypes;
  readonly boards: Boards;
  readonly dependencies: TaskDependencies;
  readonly mirrors: Pick<Mirrors, "checkAddress">;
  readonly tasks: Tasks;
}

interface NewTask {
  readonly board_id: string;
  readonly input: TaskInput;
  /** What the task may cost in total. */
  readonly budget_usd?: number | undefined;
}

/** Creates a task on a board, unless its repository or its agent could not be used. */
export async function createTask(
  { agentTypes, boards, dependencies, mirrors, tasks }: TaskCreationModules,
  scope: Scope,
  { board_id: boardId, input, budget_usd: budgetUsd }: NewTask,
): Promise<TaskRow> {
  const board = await boards.get(scope, boardId);
  if (input.repository_url !== undefined) mirrors.checkAddress(input.repository_url);
  if (input.agent_type !== undefined)
    await agentTypes.requirePolicy(scope, input.agent_type, input.permission_policy ?? "ask");
  const dependsOn = await dependencies.findIds(scope, input.depends_on ?? []);
  // The budget is there with the task, so no run of the task starts without it.
  const withTask = async (tx: Executor, taskId: string) => {
    if (budgetUsd !== undefined) await createTaskBudget(tx, scope, { task_id: taskId, amount_usd: budgetUsd });
  };
  return tasks.create(scope.user_id, board.id, { ...input, depends_on: dependsOn }, withTask);
}
