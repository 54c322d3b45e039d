import { api, TaskInput, TaskSort, TaskState, type TaskSummary } from "@wharf/contract";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine } from "../cli.ts";
import { createIntegerSchema } from "../input/option-values.ts";
import { toRepositoryUrl } from "../input/repository.ts";
import { formatTaskTable } from "../render/task.ts";
import { findBoard } from "../tasks/find-board.ts";

export const ListOptions = z.object({
  board: z.string().optional(),
  archived: z.boolean().default(false),
  assignee: z.string().min(1).max(100).optional(),
  state: z.array(TaskState).optional(),
  agent: TaskInput.shape.agent_type,
  repo: z.string().optional(),
  text: z.string().trim().min(1).max(200).optional(),
  sort: TaskSort.optional(),
  limit: createIntegerSchema({ min: 1, max: 1000 }),
  all: z.boolean().default(false),
});
type ListOptions = z.infer<typeof ListOptions>;

/** The largest page, for reading all tasks. */
const maxPageLength = 1_000;

export async function listTasks(cli: Cli, { options }: CommandLineInput<ListOptions>): Promise<void> {
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

async function readTasks({ client, folder }: Cli, options: ListOptions) {
  const { archived, assignee, board, state, agent, repo, text, sort, limit, all } = options;
  const boardId = board === undefined ? undefined : (await findBoard(client, board)).id;
  const readPage = (cursor?: string) => {
    const query = {
      limit: all ? maxPageLength : limit,
      ...(archived && { archived: "true" }),
      ...(state && { state }),
      ...(assignee !== undefined && { assignee }),
      ...(agent !== undefined && { agent_type: agent }),
      ...(repo !== undefined && { repository: toRepositoryUrl(repo, folder) }),
      ...(text !== undefined && { text }),
      ...(sort && { sort }),
      ...(cursor !== undefined && { cursor }),
    };
    return boardId === undefined
      ? client.call(api.listTasks, { query })
      : client.call(api.listBoardTasks, { params: { board_id: boardId }, query });
  };
  const first = await readPage();
  const tasks: TaskSummary[] = [...first.tasks];
  for (let cursor = first.next_cursor; all && cursor !== undefined;) {
    const page = await readPage(cursor);
    tasks.push(...page.tasks);
    cursor = page.next_cursor;
  }
  return all ? { ...first, tasks, next_cursor: undefined } : first;
}
