import type { Comment } from "@wharf/contract";
import { formatAge } from "./numbers.ts";
import { toSafeText, toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";

/** Formats a comment with its author and place above its indented text. */
export function formatComment(comment: Comment, style: Style): string {
  const { author = "a deleted user", file, line, side, sent_turn_id } = comment;
  const place = file === undefined ? "" : `${toSingleLine(file, 200)}${line === undefined ? "" : `:${line}`}`;
  const head = [
    style.dim(comment.id.slice(0, 8)),
    toSingleLine(author),
    formatAge(comment.created_at),
    side === "old" ? `${place} before the changes` : place,
    comment.updated_at === comment.created_at ? "" : "changed",
    sent_turn_id === undefined ? "" : style.dim("sent to the agent"),
  ];
  const text = toSafeText(comment.text).trim().replaceAll(/^/gm, "  ");
  return `${head.filter((part) => part !== "").join("  ")}\n${text}\n`;
}
