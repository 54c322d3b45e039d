import { useSuspenseQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Board } from "@wharf/client";
import { queries, wharf } from "../api/index.ts";
import { Field } from "../new-task/index.ts";
import { Form, readField, Section, SettingsPage, useChange } from "../settings/index.ts";
import { visibleText } from "../text/index.ts";
import { BoardLimits } from "./board-limits.tsx";
import { DeleteBoard } from "./delete-board.tsx";
import { Members } from "./members.tsx";
import { Templates } from "./templates.tsx";

/** What a board is called, who sees it, and what its tasks may use. */
export function BoardSettingsPage({ boardId }: { boardId: string }) {
  const { data: board } = useSuspenseQuery(queries.board(boardId));
  const { data: whoami } = useSuspenseQuery(queries.whoami);
  const may = new Set<string>(whoami.permissions);
  const isOwner = board.role === "owner";
  const canRename = isOwner && may.has("board:write");
  const canShare = isOwner && may.has("board:admin");
  return (
    <SettingsPage title={`Settings of ${board.name}`}>
      <p>
        <Link to="/boards/$boardId" params={{ boardId }}>
          Back to the board
        </Link>
      </p>
      <Section title="Name">
        {canRename ? (
          <NameForm key={board.version} board={board} />
        ) : (
          <p>{visibleText(`${board.name}\n${board.description}`.trim())}</p>
        )}
      </Section>
      <Members boardId={boardId} canShare={canShare} />
      {may.has("limit:read") && <BoardLimits boardId={boardId} canChange={may.has("limit:write")} />}
      <Templates boardId={boardId} canChange={board.role !== "viewer" && may.has("template:write")} />
      {canShare && <DeleteBoard board={board} />}
    </SettingsPage>
  );
}

function NameForm({ board }: { board: Board }) {
  const change = useChange(queries.board(board.id).queryKey, queries.boards.queryKey);
  const save = (fields: FormData) => {
    const { name, description } = board;
    const update = { name: readField(fields, "name"), description: readField(fields, "description") };
    const headers = { "if-match": `"${board.version}"` };
    return change(() => wharf.boards.updateBoard(board.id, update, { headers }), {
      done: "The board was changed.",
      undo: () => wharf.boards.updateBoard(board.id, { name, description }),
    });
  };
  return (
    <Form label="Name" action="Save" send={save}>
      <Field label="Name of the board">
        {(input) => <input {...input} name="name" required maxLength={255} defaultValue={board.name} />}
      </Field>
      <Field label="Description">
        {(input) => <input {...input} name="description" maxLength={10_000} defaultValue={board.description} />}
      </Field>
    </Form>
  );
}
