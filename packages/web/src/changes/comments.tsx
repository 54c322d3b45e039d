import { useQueryClient } from "@tanstack/react-query";
import type { Comment, Task } from "@wharf/client";
import { Trash2 } from "lucide-react";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { ActionButton, Problem, useAction } from "../actions/index.ts";
import { wharf } from "../api/index.ts";
import { usePermissions } from "../task-data/use-permissions.ts";
import { visible, visibleText } from "../text/index.ts";
import styles from "./changes.module.css";
import type { LinePlace } from "./patch-rows.tsx";

/** A comment that the next prompt sends to the agent. */
export function CommentView({ comment }: { comment: Comment }) {
  const client = useQueryClient();
  const { username } = usePermissions();
  const { id, task_id: taskId, author, text } = comment;
  const remove = async () => {
    await wharf.tasks.deleteComment(taskId, id);
    await client.invalidateQueries({ queryKey: ["task", taskId, "comments"] });
  };
  return (
    <div className={styles.comment} role="note" aria-label="Comment">
      <p>
        <strong>{visible(author ?? "a former member")}</strong>{" "}
        <span className={styles.hint}>goes to the agent with the next prompt</span>
      </p>
      <p className={styles.text}>{visibleText(text)}</p>
      {author === username && <ActionButton label="Delete comment" Icon={Trash2} isSmall send={remove} />}
    </div>
  );
}

interface CommentFormProps {
  readonly task: Task;
  readonly turnId: string | undefined;
  readonly path: string;
  readonly place: LinePlace;
  readonly onClose: () => void;
}

export function CommentForm({ task, turnId, path, place, onClose }: CommentFormProps) {
  const client = useQueryClient();
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState("");
  useEffect(() => field.current?.focus(), []);
  const { run, isPending, error } = useAction(async () => {
    await wharf.tasks.createComment(task.id, {
      text,
      file: path,
      line: place.line,
      side: place.side,
      ...(turnId !== undefined && { turn_id: turnId }),
    });
    await client.invalidateQueries({ queryKey: ["task", task.id, "comments"] });
    onClose();
  });
  const add = () => text.trim() !== "" && run();
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") onClose();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) add();
  };
  return (
    <form
      className={styles.comment}
      aria-label={`Comment on line ${place.line}`}
      onSubmit={(event) => {
        event.preventDefault();
        add();
      }}
    >
      <textarea
        ref={field}
        aria-label="Comment"
        rows={3}
        maxLength={10_000}
        value={text}
        onChange={({ target }) => setText(target.value)}
        onKeyDown={onKeyDown}
      />
      <Problem error={error} />
      <span className={styles.buttons}>
        <button type="submit" data-main aria-disabled={isPending || text.trim() === ""}>
          Add comment
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </span>
    </form>
  );
}
