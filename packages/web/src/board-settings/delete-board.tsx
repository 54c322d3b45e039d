import { queryOptions, useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { Board } from "@wharf/client";
import { queries, wharf } from "../api/index.ts";
import { ConfirmButton, Section, useChange } from "../settings/index.ts";
import { visible } from "../text/index.ts";

const countQuery = (boardId: string) =>
  queryOptions({
    queryKey: ["board", boardId, "count"],
    queryFn: ({ signal }) => wharf.tasks.listBoardTasks(boardId, { limit: 1, fields: "id" }, { signal }),
  });

/** Deletes a board with everything on it. */
export function DeleteBoard({ board }: { board: Board }) {
  const { data: server } = useSuspenseQuery(queries.server);
  const { data: page } = useQuery(countQuery(board.id));
  const change = useChange(queries.boards.queryKey, queries.templates.queryKey);
  const navigate = useNavigate();
  const isDefault = server.default_board_id === board.id;
  const remove = async () => {
    const headers = { "if-match": `"${board.version}"` };
    const isDone = await change(() => wharf.boards.deleteBoard(board.id, { headers }), {
      done: `The board ${visible(board.name)} was deleted.`,
    });
    if (isDone) void navigate({ to: "/" });
    return isDone;
  };
  return (
    <Section title="Delete the board">
      {isDefault ? (
        <p>The server began with this board, which cannot be deleted.</p>
      ) : (
        <div>
          <ConfirmButton label="Delete board" title={`Delete the board ${visible(board.name)}?`} run={remove}>
            <p>
              {`${describeTasks(page)} with their logs, comments and runners are deleted, and the templates of the board. That cannot be undone. Branches that were pushed stay in their repositories.`}
            </p>
          </ConfirmButton>
        </div>
      )}
    </Section>
  );
}

function describeTasks(page: { readonly total: number; readonly total_capped?: boolean } | undefined): string {
  if (!page) return "All tasks";
  if (page.total_capped) return `More than ${page.total} tasks`;
  return page.total === 1 ? "One task" : `${page.total} tasks`;
}
