import { z } from "zod";
import { InterruptPolicy, PermissionPolicy, TaskState } from "../states.ts";
import { NamedTier } from "./runners.ts";
import { Version } from "./versions.ts";

export const Task = z.object({
  id: z.uuid(),
  board_id: z.uuid(),
  title: z.string(),
  description: z.string(),
  state: TaskState,
  priority: z.number().int(),
  agent_type: z.string().optional(),
  repository_url: z.string().optional(),
  branch: z.string().optional(),
  shadow_branch: z.string(),
  base_commit_sha: z.string().optional(),
  assigned_agent_id: z.string().optional(),
  /** Choices from the agent's offer; without them the agent uses its defaults. */
  agent_mode: z.string().optional(),
  agent_model: z.string().optional(),
  tier: NamedTier.optional().describe("the size of the runners of the task's runs; without it the agent type decides"),
  permission_policy: PermissionPolicy,
  interrupt_policy: InterruptPolicy,
  metadata: z.record(z.string(), z.unknown()),
  created_by: z.string().optional(),
  assignee_id: z.uuid().optional().describe("the user to whom the task is assigned"),
  created_at: z.string(),
  updated_at: z.string(),
  started_at: z.string().optional(),
  completed_at: z.string().optional(),
  /** When Wharf resumes the task, if it is BLOCKED by the limit of a model's provider. */
  resume_at: z.string().optional(),
  /** When the task was archived; absent for tasks that are not. */
  archived_at: z.string().optional(),
  expires_at: z
    .string()
    .optional()
    .describe("when Wharf deletes the task at the latest; only a test of an agent type has such a task"),
  version: Version,
});
export type Task = z.infer<typeof Task>;

/** A task in a list, without fields that may be long. */
export const TaskSummary = Task.omit({ description: true, metadata: true }).extend({
  waits_for_tasks: z
    .array(z.uuid())
    .optional()
    .describe("the tasks that must be COMPLETED before this one starts; absent if there are none, or if it has begun"),
});
export type TaskSummary = z.infer<typeof TaskSummary>;
