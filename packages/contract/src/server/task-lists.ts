import { z } from "zod";
import { TaskState } from "../states.ts";
import { createFieldsQuery, listQuery, oneOrMore } from "./paging.ts";
import { TaskSummary } from "./task.ts";

const time = z.iso.datetime({ offset: true }).optional();

/**
 * The orders of a list of tasks. `-` means descending; equal rows keep the order of their creation.
 * Each of them has an index.
 */
export const TaskSort = z.enum([
  "-created_at",
  "created_at",
  "-updated_at",
  "updated_at",
  "-priority",
  "priority",
  "-priority,created_at",
  "-priority,-created_at",
  "priority,created_at",
  "priority,-created_at",
]);
export type TaskSort = z.infer<typeof TaskSort>;

/** What a list of tasks contains. A task must match all of the filters. */
export const taskListQuery = {
  state: oneOrMore(TaskState).describe("one state, or several by naming the field several times"),
  archived: z.stringbool().default(false).describe("list the archived tasks instead of the others"),
  assignee: z.string().min(1).max(100).optional().describe("an id, a user name, `me`, or `none` for unassigned tasks"),
  agent_type: z.string().min(1).max(100).optional(),
  repository: z.string().min(1).max(2000).optional().describe("the repository's address"),
  text: z.string().trim().min(1).max(200).optional().describe("a part of the title, in any case"),
  created_from: time.describe("tasks that were created then or later"),
  created_to: time.describe("tasks that were created before then"),
  updated_from: time.describe("tasks whose last change was then or later"),
  updated_to: time.describe("tasks whose last change was before then"),
  sort: TaskSort.default("-created_at"),
  ...createFieldsQuery(TaskSummary),
  ...listQuery,
};
