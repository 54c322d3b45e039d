import type { TaskSummary } from "@wharf/client";
import { z } from "zod";

/** What of a board is shown, as its address has it: a link shows a colleague the same. */
export const BoardSearch = z.object({
  text: z.string().optional().catch(undefined),
  agent: z.string().optional().catch(undefined),
  repository: z.string().optional().catch(undefined),
  assignee: z.string().optional().catch(undefined),
  view: z.enum(["columns", "list"]).optional().catch(undefined),
});
export type BoardSearch = z.infer<typeof BoardSearch>;

/**
 * Returns whether a board shows a task. Each word of the text is a part of the title, or the
 * beginning of the id.
 */
export function matchesSearch(task: TaskSummary, { text, agent, repository, assignee }: BoardSearch): boolean {
  if (agent !== undefined && task.agent_type !== agent) return false;
  if (repository !== undefined && task.repository_url !== repository) return false;
  if (assignee !== undefined && (task.assignee_id ?? "none") !== assignee) return false;
  if (text === undefined || text === "") return true;
  const words = text.toLowerCase().split(/\s+/);
  const title = task.title.toLowerCase();
  return words.every((word) => title.includes(word) || task.id.startsWith(word));
}
