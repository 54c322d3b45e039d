import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { Task, Turn } from "@wharf/client";
import { Paperclip, SendHorizontal, Square } from "lucide-react";
import { type ChangeEvent, type KeyboardEvent, useState } from "react";
import { ActionButton, Problem, useAction } from "../../actions/index.ts";
import { wharf } from "../../api/index.ts";
import { taskQueries } from "../../task-data/task-queries.ts";
import { usePermissions } from "../../task-data/use-permissions.ts";
import { AttachmentList } from "./attachment-list.tsx";
import { readAttachment } from "./attachments.ts";
import { ChoiceSelects } from "./choice-selects.tsx";
import styles from "./composer.module.css";
import { PromptQueue } from "./prompt-queue.tsx";
import { useDraft } from "./use-draft.ts";

/** Where people write to the agent. */
export function Composer({ task, turns }: { task: Task; turns: readonly Turn[] }) {
  const { canPrompt } = usePermissions();
  if (!canPrompt) return null;
  if (task.archived_at !== undefined)
    return <p className={styles.note}>The task is archived. Restore it to write to the agent.</p>;
  return (
    <div className={styles.composer}>
      <PromptQueue taskId={task.id} turns={turns} />
      <PromptForm task={task} turns={turns} />
    </div>
  );
}

const isTouch = window.matchMedia("(pointer: coarse)");

function PromptForm({ task, turns }: { task: Task; turns: readonly Turn[] }) {
  const client = useQueryClient();
  const [text, setText] = useDraft(task.id);
  const [files, setFiles] = useState<readonly File[]>([]);
  const { data: comments = [] } = useQuery(taskQueries.comments(task.id));
  const openComments = comments.filter(({ sent_turn_id: sent }) => sent === undefined).length;
  const running = turns.find(({ state }) => state === "RUNNING");
  const canSend = text.trim() !== "" || openComments > 0;

  const { run, isPending, error } = useAction(async () => {
    const attachments = await Promise.all(files.map(readAttachment));
    await wharf.tasks.promptTask(task.id, {
      ...(text.trim() !== "" && { text }),
      ...(openComments > 0 && { comments: true }),
      ...(attachments.length > 0 && { attachments }),
    });
    setText("");
    setFiles([]);
    await client.invalidateQueries({ queryKey: ["task", task.id] });
  });
  const send = () => canSend && run();
  const onKeyDown = (event: KeyboardEvent) => {
    const isEnter = event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing;
    if (!isEnter || (isTouch.matches && !event.metaKey && !event.ctrlKey)) return;
    event.preventDefault();
    send();
  };
  const addFiles = ({ target }: ChangeEvent<HTMLInputElement>) => {
    setFiles([...files, ...(target.files ?? [])]);
    target.value = ""; // the same file can be chosen again
  };

  return (
    <form
      className={styles.form}
      aria-label="Message to the agent"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        aria-label="Message"
        placeholder={running ? "Write the next prompt; it waits for this turn" : "Write to the agent"}
        rows={Math.min(10, text.split("\n").length + 1)}
        value={text}
        onChange={({ target }) => setText(target.value)}
        onKeyDown={onKeyDown}
      />
      <AttachmentList files={files} onRemove={(file) => setFiles(files.filter((one) => one !== file))} />
      <div className={styles.bar}>
        <label className={styles.attach} title="Attach files">
          <Paperclip size={16} aria-hidden />
          <input type="file" multiple aria-label="Attach files" onChange={addFiles} />
        </label>
        <ChoiceSelects task={task} />
        <span className={styles.end}>
          {openComments > 0 && <span className={styles.muted}>with {formatComments(openComments)}</span>}
          {running && <StopTurn turn={running} />}
          <button type="submit" data-main aria-disabled={!canSend || isPending}>
            <SendHorizontal size={16} aria-hidden /> {running ? "Queue" : "Send"}
          </button>
        </span>
      </div>
      <Problem error={error} />
    </form>
  );
}

const formatComments = (count: number): string => (count === 1 ? "1 comment" : `${count} comments`);

function StopTurn({ turn }: { turn: Turn }) {
  if (turn.cancel_asked) return <span className={styles.muted}>Stopping…</span>;
  return (
    <ActionButton label="Stop turn" Icon={Square} isSmall send={() => wharf.tasks.cancelTurn(turn.task_id, turn.id)} />
  );
}
