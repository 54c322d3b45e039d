import { useSuspenseQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { queries } from "../api/index.ts";
import { visible } from "../text/index.ts";
import { Timeline } from "../timeline/index.ts";
import styles from "./task-page.module.css";

export function TaskPage({ taskId }: { taskId: string }) {
  const { data: task } = useSuspenseQuery(queries.task(taskId));
  return (
    <main className={styles.page}>
      <header className={styles.header}>
        <Link to="/boards/$boardId" params={{ boardId: task.board_id }}>
          Board
        </Link>
        <h1>{visible(task.title)}</h1>
      </header>
      <Timeline key={task.id} taskId={task.id} />
    </main>
  );
}
