import { type BoardMember, type BoardRole, type PeopleSort, WharfError } from "@wharf/contract";
import { and, eq, sql } from "drizzle-orm";
import { findMember, type Scope } from "../access/index.ts";
import { createRowOrders, type Database, type Executor, type Page, type PageQuery, schema } from "../store/index.ts";
import type { Boards } from "./boards.ts";

const { board_members, boards, users } = schema;

const getOrder = createRowOrders(
  { created_at: [board_members.created_at, users.username], username: [users.username] },
  "created_at",
);

/** The people with whom boards are shared. */
export class BoardMembers {
  readonly #db: Database;
  readonly #boards: Pick<Boards, "get">;
  readonly #onChange: () => void;

  /** @param onChange Called after somebody may have lost access. */
  constructor(db: Database, boardRows: Pick<Boards, "get">, onChange: () => void) {
    this.#db = db;
    this.#boards = boardRows;
    this.#onChange = onChange;
  }

  async list(
    scope: Scope,
    boardId: string,
    page: PageQuery & { sort?: PeopleSort | undefined },
  ): Promise<Page<BoardMember>> {
    const { id } = await this.#boards.get(scope, boardId);
    const order = getOrder(page.sort);
    const rows = await this.#db
      .select({ id: users.id, username: users.username, role: board_members.role, position: order.position })
      .from(board_members)
      .innerJoin(users, eq(users.id, board_members.user_id))
      .where(and(eq(board_members.board_id, id), order.isAfter(page.cursor)))
      .orderBy(...order.columns)
      .limit(page.limit + 1)
      .offset(page.offset ?? 0);
    return order.toPage(rows, page.limit);
  }

  /** Shares a board with a user of its organisation, or changes the user's role on it. */
  async share(scope: Scope, boardId: string, { user, role }: { user: string; role: BoardRole }): Promise<BoardMember> {
    const { id } = await this.#boards.get(scope, boardId);
    const member = await findMember(this.#db, scope, user);
    await this.#db.transaction(async (tx) => {
      await lockBoard(tx, id);
      await tx
        .insert(board_members)
        .values({ board_id: id, user_id: member.id, role })
        .onConflictDoUpdate({
          target: [board_members.board_id, board_members.user_id],
          set: { role, updated_at: sql`now()` },
        });
      await requireOwner(tx, id);
    });
    this.#onChange();
    return { id: member.id, username: member.username, role };
  }

  async unshare(scope: Scope, boardId: string, user: string): Promise<void> {
    const { id } = await this.#boards.get(scope, boardId);
    const member = await findMember(this.#db, scope, user);
    await this.#db.transaction(async (tx) => {
      await lockBoard(tx, id);
      const removed = await tx
        .delete(board_members)
        .where(and(eq(board_members.board_id, id), eq(board_members.user_id, member.id)))
        .returning({ role: board_members.role });
      if (removed.length === 0) throw new WharfError("user_not_found", { name: user });
      if (removed[0]?.role === "owner") await requireOwner(tx, id);
    });
    this.#onChange();
  }
}

/** Two changes at once could each leave the other one's owner as the last. */
const lockBoard = (tx: Executor, id: string) =>
  tx.select({ id: boards.id }).from(boards).where(eq(boards.id, id)).for("update");

async function requireOwner(tx: Executor, boardId: string): Promise<void> {
  const [owner] = await tx
    .select({ id: board_members.user_id })
    .from(board_members)
    .where(and(eq(board_members.board_id, boardId), eq(board_members.role, "owner")))
    .limit(1);
  if (!owner) throw new WharfError("board_needs_owner", {});
}
