import { randomUUID } from "node:crypto";
import { type BoardRole, type BoardSort, type OrganizationRole, WharfError } from "@wharf/contract";
import { and, eq, getTableColumns, isNull, sql } from "drizzle-orm";
import {
  isVisibleBoard,
  requireBoardPermission,
  type Scope,
  selectBoardRole,
  type VisibilityScope,
} from "../access/index.ts";
import {
  buildOnce,
  createRowOrders,
  type Database,
  type Executor,
  type ExpectedVersions,
  omitUndefined,
  type Page,
  type PageQuery,
  requireVersion,
  schema,
} from "../store/index.ts";

const { board_members, boards } = schema;
/** A board with the caller's role on it. */
export type BoardRow = typeof boards.$inferSelect & { readonly role: BoardRole };

const getOrder = createRowOrders(
  {
    created_at: [boards.created_at, boards.id],
    updated_at: [boards.updated_at, boards.id],
    name: [boards.name, boards.id],
  },
  "created_at",
);

/** Boards, as far as a scope sees them. */
export class Boards {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Creates a board that belongs to the person who creates it. */
  async create(
    { user_id, organization_id }: Pick<Scope, "user_id" | "organization_id">,
    input: { name: string; description: string },
  ): Promise<BoardRow> {
    return this.#db.transaction(async (tx) => {
      const [row] = await tx
        .insert(boards)
        .values({ id: randomUUID(), owner_id: user_id, organization_id, ...input })
        .returning();
      await tx.insert(board_members).values({ board_id: row!.id, user_id, role: "owner" });
      return { ...row!, role: "owner" };
    });
  }

  async list(scope: VisibilityScope, page: PageQuery & { sort?: BoardSort | undefined }): Promise<Page<BoardRow>> {
    const order = getOrder(page.sort);
    const rows = await this.#db
      .select({ ...getTableColumns(boards), role: selectBoardRole(scope), position: order.position })
      .from(boards)
      .where(and(isVisibleBoard(scope), order.isAfter(page.cursor)))
      .orderBy(...order.columns)
      .limit(page.limit + 1)
      .offset(page.offset ?? 0);
    return order.toPage(rows, page.limit);
  }

  /** Returns the oldest board on which the person may change tasks. */
  async findEditable(scope: VisibilityScope): Promise<{ readonly id: string } | undefined> {
    const [row] = await this.#db
      .select({ id: boards.id })
      .from(boards)
      .where(and(isVisibleBoard(scope), sql`${selectBoardRole(scope)} <> 'viewer'`))
      .orderBy(...getOrder().columns)
      .limit(1);
    return row;
  }

  async isVisible(scope: VisibilityScope, id: string): Promise<boolean> {
    const rows = await this.#db
      .select({ id: boards.id })
      .from(boards)
      .where(and(eq(boards.id, id), isVisibleBoard(scope)));
    return rows.length > 0;
  }

  /** Returns those of the boards that the scope sees. */
  async findVisible(scope: VisibilityScope, ids: readonly string[]): Promise<string[]> {
    const rows = await this.#db
      .select({ id: boards.id })
      .from(boards)
      .where(and(sql`${boards.id} = any(${sql.param(ids)}::uuid[])`, isVisibleBoard(scope)));
    return rows.map(({ id }) => id);
  }

  async get(scope: Scope, id: string): Promise<BoardRow> {
    const { organization_id, user_id, role } = scope;
    const [row] = await selectBoard(this.#db, { id, organization_id, user_id }, role);
    if (!row) throw new WharfError("board_not_found", { id });
    requireBoardPermission(scope, row.role);
    return { ...row.board, role: row.role };
  }

  async update(
    scope: Scope,
    id: string,
    change: { name?: string | undefined; description?: string | undefined },
    expected?: ExpectedVersions,
  ): Promise<BoardRow> {
    const { role } = await this.get(scope, id);
    const [row] = await this.#db.transaction(async (tx) => {
      await lockBoard(tx, id, expected);
      const fields = { ...omitUndefined(change), updated_at: new Date() };
      return tx.update(boards).set(fields).where(eq(boards.id, id)).returning();
    });
    return { ...row!, role };
  }
}

const selectBoard = buildOnce(["id", "organization_id", "user_id"], (db, { id, ...ids }, role: OrganizationRole) =>
  db
    .select({ board: boards, role: selectBoardRole({ ...ids, role }) })
    .from(boards)
    .where(and(eq(boards.id, id), isVisibleBoard({ ...ids, role }))),
);

/** Locks a board that somebody changes or deletes. */
export async function lockBoard(tx: Executor, id: string, expected: ExpectedVersions): Promise<void> {
  const [row] = await tx
    .select({ id: boards.id, version: boards.version })
    .from(boards)
    .where(and(eq(boards.id, id), isNull(boards.deleted_at)))
    .for("update");
  if (!row) throw new WharfError("board_not_found", { id });
  requireVersion("board", row, expected);
}
