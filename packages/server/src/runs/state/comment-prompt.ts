import { WharfError } from "@wharf/contract";
import type { LogWriter } from "../../events/index.ts";
import { type CommentRow, type LockedTask, markCommentsSent, readOpenComments } from "../../tasks/index.ts";
import type { TurnRow } from "./transitions.ts";
import { queueTurn, type TurnPrompt } from "./turn-queue.ts";

/** The longest prompt, in characters; the contract limits the text of a request to the same. */
const maxPromptLength = 200_000;

/** Queues a turn that sends the task's open comments behind its text, and marks them as sent. */
export async function queueCommentPrompt(writer: LogWriter, task: LockedTask, prompt: TurnPrompt): Promise<TurnRow> {
  const comments = await readOpenComments(writer.tx, task.id);
  if (comments.length === 0) throw new WharfError("no_open_comments", { task_id: task.id });
  const text = formatCommentPrompt(comments, prompt.text === "" ? undefined : prompt.text);
  if (text.length > maxPromptLength)
    throw new WharfError("comments_too_long", { task_id: task.id, limit: maxPromptLength });
  const turn = await queueTurn(writer, task, { ...prompt, text });
  await markCommentsSent(writer.tx, task.id, turn.id);
  return turn;
}

/** Formats comments for an agent, each with its author and its place. */
const formatCommentPrompt = (comments: readonly CommentRow[], text: string | undefined): string =>
  [text ?? "Please address these comments.", ...comments.map(formatComment)].join("\n\n");

function formatComment({ author, file, line, side, text }: CommentRow): string {
  const place = [
    file === null ? "" : ` on ${file}`,
    line === null ? "" : `, line ${line}${side === "old" ? " before your changes" : ""}`,
  ].join("");
  return `Comment${author === null ? "" : ` of ${author}`}${place}:\n${text}`;
}
