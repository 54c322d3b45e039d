import { useSuspenseQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { queries } from "../api/index.ts";
import { visible } from "../text/index.ts";

export function BoardPage({ boardId }: { boardId: string }) {
  const { data: board } = useSuspenseQuery(queries.board(boardId));
  const { data: tasks } = useSuspenseQuery(queries.boardTasks(boardId));
  return (
    <main>
      <h1>{visible(board.name)}</h1>
      <ul>
        {tasks.map((task) => (
          <li key={task.id}>
            <Link to="/tasks/$taskId" params={{ taskId: task.id }}>
              {visible(task.title)}
            </Link>{" "}
            {task.state.toLowerCase().replace("_", " ")}
          </li>
        ))}
      </ul>
    </main>
  );
}
