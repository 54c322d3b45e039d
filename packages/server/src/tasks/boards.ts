import { randomUUID } from "node:crypto";
import { WharfError } from "@wharf/contract";
import { and, asc, eq, isNull } from "drizzle-orm";
import { type Database, omitUndefined, schema } from "../store/index.ts";

const { boards } = schema;
export type BoardRow = typeof boards.$inferSelect;

const isVisibleTo = (ownerId: string) => and(eq(boards.owner_id, ownerId), isNull(boards.deleted_at));

/** The boards of one person. A board of another person counts as missing. */
export class Boards {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async create(
    owner: { user_id: string; organization_id: string },
    input: { name: string; description: string },
  ): Promise<BoardRow> {
    const [row] = await this.#db
      .insert(boards)
      .values({ id: randomUUID(), owner_id: owner.user_id, organization_id: owner.organization_id, ...input })
      .returning();
    return row!;
  }

  list(ownerId: string): Promise<BoardRow[]> {
    return this.#db.select().from(boards).where(isVisibleTo(ownerId)).orderBy(asc(boards.created_at));
  }

  async get(ownerId: string, id: string): Promise<BoardRow> {
    const [row] = await this.#db
      .select()
      .from(boards)
      .where(and(eq(boards.id, id), isVisibleTo(ownerId)));
    if (!row) throw new WharfError("board_not_found", { id });
    return row;
  }

  async update(
    ownerId: string,
    id: string,
    change: { name?: string | undefined; description?: string | undefined },
  ): Promise<BoardRow> {
    await this.get(ownerId, id);
    const [row] = await this.#db
      .update(boards)
      .set({ ...omitUndefined(change), updated_at: new Date() })
      .where(eq(boards.id, id))
      .returning();
    return row!;
  }
}
