import { api, TaskInput, TaskSort, TaskState } from "@wharf/contract";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine } from "../cli.ts";
import { toRepositoryUrl } from "../input/repository.ts";
import { formatTaskTable } from "../render/task.ts";
import { readList } from "../server/lists.ts";
import { findBoard } from "../tasks/find-board.ts";
import { ListOptions } from "./list-options.ts";

export const TaskListOptions = ListOptions.extend({
  board: z.string().optional(),
  archived: z.boolean().default(false),
  assignee: z.string().min(1).max(100).optional(),
  state: z.array(TaskState).optional(),
  agent: TaskInput.shape.agent_type,
  repo: z.string().optional(),
  text: z.string().trim().min(1).max(200).optional(),
  sort: TaskSort.optional(),
});
type TaskListOptions = z.infer<typeof TaskListOptions>;

export async function listTasks(cli: Cli, { options }: CommandLineInput<TaskListOptions>): Promise<void> {
  const { settings, terminal, look } = cli;
  const answer = await readTasks(cli, options);
  if (settings.json) return terminal.out(toJsonLine(answer));
  if (answer.tasks.length === 0 && options.archived) return terminal.err("There are no archived tasks.\n");
  if (answer.tasks.length === 0)
    return terminal.err('There are no tasks. Start one with `wharf run "<prompt>" --repo .`.\n');
  terminal.out(formatTaskTable(answer.tasks, look));
  const remainingCount = answer.total - answer.tasks.length;
  if (options.all || remainingCount <= 0) return;
  const count = answer.total_capped ? `More than ${remainingCount}` : `${remainingCount}`;
  terminal.err(`${count} more; --all shows them, and --state, --agent and --text narrow the list down.\n`);
}

async function readTasks({ client, folder }: Cli, options: TaskListOptions) {
  const { archived, assignee, board, state, agent, repo, text, sort } = options;
  const boardId = board === undefined ? undefined : (await findBoard(client, board)).id;
  const query = {
    ...(archived && { archived: "true" }),
    ...(state && { state }),
    ...(assignee !== undefined && { assignee }),
    ...(agent !== undefined && { agent_type: agent }),
    ...(repo !== undefined && { repository: toRepositoryUrl(repo, folder) }),
    ...(text !== undefined && { text }),
    ...(sort && { sort }),
  };
  return boardId === undefined
    ? readList(client, api.listTasks, { query }, options)
    : readList(client, api.listBoardTasks, { params: { board_id: boardId }, query }, options);
}
