import { api, type Comment, CommentInput, DiffSide, WharfError } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples, createTaskArgument } from "../help/examples.ts";
import { createChoiceOption, createIntegerSchema } from "../input/option-values.ts";
import { readPromptText } from "../input/prompt-text.ts";
import { formatComment } from "../render/comment.ts";
import type { Client } from "../server/client.ts";
import { toShortId } from "../tasks/tasks.ts";

const maxLine = 100_000_000;
const CommentOptions = z.object({
  file: CommentInput.shape.file,
  line: createIntegerSchema({ min: 1, max: maxLine }).optional(),
  side: DiffSide.optional(),
  turn: z.uuid("a full id (a UUID)").optional(),
});
const ListOptions = z.object({ open: z.boolean().default(false) });
/** Limits a single request for comments. */
const pageSize = 1_000;

/** Adds the commands for the comments of a task. */
export function addCommentCommands(group: Command, register: RegisterCommand): void {
  const comment = group
    .command("comment")
    .summary("Comment on a task")
    .description(
      "Comment on a task, or on a file or a line of its changes. `wharf task prompt <task> --comments` sends the open comments to the agent.",
    )
    .addArgument(createTaskArgument())
    .argument("<text>", "the comment; - reads it from stdin")
    .option("--file <path>", "the file that the comment is about, as a path in the workspace")
    .option("--line <n>", "the line of the file")
    .addOption(
      createChoiceOption("--side <side>", "the line's file before (old) or with (new) the changes", DiffSide.options),
    )
    .option("--turn <id>", "the turn whose changes the comment is about");
  const commentLines = [
    'wharf task comment 1f2e3d4c "Please add a test"',
    'wharf task comment 1f2e3d4c "This can be null" --file src/main.ts --line 12',
  ];
  register(addExamples(comment, commentLines), CommentOptions, addComment);
  const comments = group
    .command("comments")
    .description("List the comments on a task, oldest first")
    .addArgument(createTaskArgument())
    .option("--open", "list only comments that were not sent to the agent");
  register(addExamples(comments, ["wharf task comments 1f2e3d4c --open"]), ListOptions, listComments);
  const edit = group
    .command("edit-comment")
    .description("Change the text of your own comment")
    .addArgument(createTaskArgument())
    .argument("<comment>", "id of the comment, or its first 8 or more characters")
    .argument("<text>", "the new text; - reads it from stdin");
  register(
    addExamples(edit, ['wharf task edit-comment 1f2e3d4c 7a6b5c4d "Please add two tests"']),
    z.object({}),
    editComment,
  );
  const remove = group
    .command("delete-comment")
    .description("Delete your own comment. Owners of the board delete any")
    .addArgument(createTaskArgument())
    .argument("<comment>", "id of the comment, or its first 8 or more characters");
  register(addExamples(remove, ["wharf task delete-comment 1f2e3d4c 7a6b5c4d"]), z.object({}), deleteComment);
}

const readText = async (cli: Cli, text: string | undefined): Promise<string> =>
  (await readPromptText(cli, { text, file: undefined, max: 10_000 })) ?? "";

async function addComment(
  cli: Cli,
  { args, options }: CommandLineInput<z.infer<typeof CommentOptions>>,
): Promise<void> {
  const { client, settings, terminal } = cli;
  const { file, line, side, turn } = options;
  if (line !== undefined && file === undefined) throw createUsageError("--line: give the file too, with --file <path>");
  if (side !== undefined && line === undefined) throw createUsageError("--side: give the line too, with --line <n>");
  const body = { text: await readText(cli, args[1]), file, line, side, turn_id: turn };
  const comment = await client.call(api.createComment, { params: { task_id: args[0] ?? "" }, body });
  terminal.out(settings.json ? toJsonLine(comment) : `${toShortId(comment.id)}\n`);
}

async function readComments(client: Client, taskId: string, isOpenOnly: boolean): Promise<Comment[]> {
  const comments: Comment[] = [];
  for (let cursor: string | undefined; ;) {
    const query = { limit: pageSize, cursor, ...(isOpenOnly && { open: "true" }) };
    const page = await client.call(api.listComments, { params: { task_id: taskId }, query });
    comments.push(...page.comments);
    cursor = page.next_cursor;
    if (cursor === undefined) return comments;
  }
}

async function listComments(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof ListOptions>>,
): Promise<void> {
  const comments = await readComments(client, args[0] ?? "", options.open);
  if (settings.json) return terminal.out(toJsonLine({ comments }));
  if (comments.length === 0) return terminal.err(`There are no ${options.open ? "open " : ""}comments.\n`);
  terminal.out(comments.map((comment) => formatComment(comment, terminal.style)).join("\n"));
}

/** Finds a comment of a task by its id or the beginning of its id. */
async function findComment(client: Client, taskId: string, id: string): Promise<Comment> {
  const matches = (await readComments(client, taskId, false)).filter(
    (comment) => id.length >= 8 && comment.id.startsWith(id.toLowerCase()),
  );
  if (matches.length > 1) throw new WharfError("ambiguous_id", { what: "comment", id });
  if (!matches[0]) throw new WharfError("comment_not_found", { id });
  return matches[0];
}

async function editComment(cli: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const { client, settings, terminal } = cli;
  const [taskId = "", commentId = ""] = args;
  const text = await readText(cli, args[2]);
  const { id, task_id } = await findComment(client, taskId, commentId);
  const comment = await client.call(api.updateComment, { params: { task_id, comment_id: id }, body: { text } });
  terminal.out(settings.json ? toJsonLine(comment) : `Changed comment ${toShortId(id)}.\n`);
}

async function deleteComment({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const { id, task_id } = await findComment(client, args[0] ?? "", args[1] ?? "");
  await client.call(api.deleteComment, { params: { task_id, comment_id: id } });
  terminal.out(settings.json ? toJsonLine({ deleted: id }) : `Deleted comment ${toShortId(id)}.\n`);
}
