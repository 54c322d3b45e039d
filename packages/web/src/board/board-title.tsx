import { useSuspenseQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Settings } from "lucide-react";
import { useEffect } from "react";
import { queries } from "../api/index.ts";
import { visible } from "../text/index.ts";
import styles from "./board.module.css";

/** The name of the board, with the way to the others. The window's title has what needs a person. */
export function BoardTitle({ boardId, needed }: { boardId: string; needed: number }) {
  const { data: board } = useSuspenseQuery(queries.board(boardId));
  const { data: boards } = useSuspenseQuery(queries.boards);
  const navigate = useNavigate();
  useEffect(() => {
    document.title = `${needed > 0 ? `(${needed}) ` : ""}${visible(board.name)} – Wharf`;
  }, [board.name, needed]);
  return (
    <div className={styles.boardTitle}>
      <h1>{visible(board.name)}</h1>
      {boards.length > 1 && (
        <select
          aria-label="Board"
          value={boardId}
          onChange={({ target }) => void navigate({ to: "/boards/$boardId", params: { boardId: target.value } })}
        >
          {boards.map(({ id, name }) => (
            <option key={id} value={id}>
              {visible(name)}
            </option>
          ))}
        </select>
      )}
      <Link
        to="/boards/$boardId/settings"
        params={{ boardId }}
        className={styles.settings}
        aria-label="Settings of the board"
        title="Settings of the board"
      >
        <Settings size={16} aria-hidden />
      </Link>
      {needed > 0 && <span className={styles.needed}>{`${needed} ${needed === 1 ? "needs" : "need"} you`}</span>}
    </div>
  );
}
