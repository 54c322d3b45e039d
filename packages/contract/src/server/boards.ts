import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { BoardRole } from "../permissions.ts";
import { createFieldsQuery, pageEnd, rowsQuery } from "./paging.ts";
import { Version } from "./versions.ts";

export const Board = z.object({
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  owner_id: z.uuid(),
  role: BoardRole.describe("your role on the board"),
  created_at: z.string(),
  updated_at: z.string(),
  version: Version,
});
export type Board = z.infer<typeof Board>;

export const BoardInput = z
  .object({
    name: z.string().trim().min(1).max(255),
    description: z.string().max(10_000).default(""),
  })
  .meta({ examples: [{ name: "Shop", description: "Work on the shop" }] });
/** An update changes only the fields that it names and resets no field to a default. */
export const BoardUpdate = BoardInput.extend({ description: BoardInput.shape.description.unwrap() }).partial();

/** The orders of a list of boards. `-` means descending. */
export const BoardSort = z.enum(["created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"]);
export type BoardSort = z.infer<typeof BoardSort>;

export const boardParams = z.object({ board_id: z.uuid() });

export const boardsApi = {
  createBoard: createEndpoint({
    needs: "board:write",
    method: "POST",
    path: "/api/v1/boards",
    summary: "Create a board",
    body: BoardInput,
    status: 201,
    response: Board,
  }),
  listBoards: createEndpoint({
    needs: "board:read",
    method: "GET",
    path: "/api/v1/boards",
    summary: "List your boards; the oldest first unless `sort` names another order",
    query: z.object({
      sort: BoardSort.default("created_at"),
      ...createFieldsQuery(Board),
      ...rowsQuery,
    }),
    items: "boards",
    response: z.object({ boards: z.array(Board), ...pageEnd }),
  }),
  getBoard: createEndpoint({
    needs: "board:read",
    method: "GET",
    path: "/api/v1/boards/:board_id",
    summary: "Get a board",
    params: boardParams,
    response: Board,
  }),
  updateBoard: createEndpoint({
    needs: "board:write",
    method: "PUT",
    ifMatch: "version",
    path: "/api/v1/boards/:board_id",
    summary: "Update a board",
    params: boardParams,
    body: BoardUpdate,
    response: Board,
  }),
  deleteBoard: createEndpoint({
    needs: "board:admin",
    method: "DELETE",
    ifMatch: "version",
    path: "/api/v1/boards/:board_id",
    summary: "Delete a board and its tasks",
    params: boardParams,
    status: 204,
    response: "none",
    errors: ["board_is_default"],
  }),
} as const;
