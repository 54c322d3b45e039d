import { useSuspenseQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import type { Task, Turn } from "@wharf/client";
import type { TaskSearch } from "../task-data/task-search.ts";
import { visible } from "../text/index.ts";
import styles from "./changes.module.css";
import { diffQueries } from "./diff-queries.ts";
import { FileList } from "./file-list.tsx";
import { FileView } from "./file-view.tsx";
import { useLayout } from "./use-layout.ts";

interface ChangesPaneProps {
  readonly task: Task;
  readonly turns: readonly Turn[];
  readonly search: TaskSearch;
}

/** What the task changed: against its base, or in one turn. */
export function ChangesPane({ task, turns, search: { turn, file } }: ChangesPaneProps) {
  const { data: changes } = useSuspenseQuery(diffQueries.files(task, turn));
  const [layout, setLayout] = useLayout();
  const selected = changes.files.find(({ path }) => path === file) ?? changes.files[0];
  const additions = changes.files.reduce((sum, one) => sum + one.additions, 0);
  const deletions = changes.files.reduce((sum, one) => sum + one.deletions, 0);
  return (
    <div className={styles.pane}>
      <div className={styles.bar}>
        <TurnSelect taskId={task.id} turns={turns} turn={turn} />
        <span className={styles.total}>
          {changes.files.length} {changes.files.length === 1 ? "file" : "files"}{" "}
          <span data-change="added">+{additions}</span> <span data-change="removed">−{deletions}</span>
        </span>
        <label className={styles.layout}>
          <input
            type="checkbox"
            checked={layout === "split"}
            onChange={({ target }) => setLayout(target.checked ? "split" : "unified")}
          />{" "}
          Side by side
        </label>
      </div>
      {selected ? (
        <div className={styles.content}>
          <FileList taskId={task.id} files={changes.files} selected={selected.path} turn={turn} />
          <FileView
            key={`${selected.path} ${turn}`}
            task={task}
            turns={turns}
            turn={turn}
            path={selected.path}
            base={changes.base}
            layout={layout}
          />
        </div>
      ) : (
        <p className={styles.empty}>
          {turn === undefined ? "The task has changed nothing yet." : "This turn changed nothing."}{" "}
          {turn !== undefined && (
            <Link to="/tasks/$taskId" params={{ taskId: task.id }} search={{ pane: "changes" }}>
              Show all changes
            </Link>
          )}
        </p>
      )}
    </div>
  );
}

const maxPromptLength = 50;

interface TurnSelectProps {
  readonly taskId: string;
  readonly turns: readonly Turn[];
  readonly turn: number | undefined;
}

function TurnSelect({ taskId, turns, turn }: TurnSelectProps) {
  const navigate = useNavigate();
  const select = (value: string) =>
    void navigate({
      to: "/tasks/$taskId",
      params: { taskId },
      search: { pane: "changes", ...(value !== "" && { turn: Number(value) }) },
    });
  return (
    <select aria-label="Changes of" value={turn ?? ""} onChange={({ target }) => select(target.value)}>
      <option value="">All changes</option>
      {turns.map(({ id, prompt, started_at: startedAt }, index) =>
        startedAt === undefined ? null : (
          <option key={id} value={index + 1}>
            Turn {index + 1}: {visible(prompt.split("\n", 1)[0]?.slice(0, maxPromptLength) ?? "")}
          </option>
        ),
      )}
    </select>
  );
}
