import { api, type Board, WharfError } from "@wharf/contract";
import { createUsageError } from "../failure.ts";
import { toSingleLine } from "../render/safe-text.ts";
import type { Client } from "../server/client.ts";
import { iterateRows, readAllRows } from "../server/lists.ts";

/** The fewest characters of an id that name a board. */
const minIdLength = 8;

/** Finds a board by its name, its id or the beginning of its id. */
export async function findBoard(client: Client, name: string): Promise<Board> {
  const boards = await readAllRows(client, api.listBoards, {});
  const named = boards.filter((board) => board.name === name);
  const matches =
    named.length > 0
      ? named
      : boards.filter(({ id }) => name.length >= minIdLength && id.startsWith(name.toLowerCase()));
  const [board, another] = matches;
  if (!board) throw new WharfError("board_not_found", { id: name });
  if (!another) return board;
  if (named.length === 0) throw new WharfError("ambiguous_id", { what: "board", id: name });
  throw createUsageError(
    `several boards have the name '${toSingleLine(name, 60)}'; give an id that \`wharf board ls\` shows`,
  );
}

/** Returns the board of a new task: the named one, or else the oldest that the user may change. */
export async function getTaskBoardId(client: Client, name: string | undefined, signal?: AbortSignal): Promise<string> {
  if (name !== undefined) return (await findBoard(client, name)).id;
  let oldest: Board | undefined;
  for await (const board of iterateRows(client, api.listBoards, {}, signal ? { signal } : {})) {
    if (board.role !== "viewer") return board.id;
    oldest ??= board;
  }
  if (oldest) return oldest.id;
  throw createUsageError("no board is shared with you; create one with `wharf board create <name>`");
}
