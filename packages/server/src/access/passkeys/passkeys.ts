import { randomUUID } from "node:crypto";
import { WharfError } from "@wharf/contract";
import { and, eq, getTableColumns, sql } from "drizzle-orm";
import { type Database, type Executor, type Page, type PageQuery, RowOrder, schema } from "../../store/index.ts";
import { requireManagedAccount } from "../logins/accounts.ts";
import type { Caller } from "../scope.ts";

const { passkeys, users } = schema;

export type PasskeyRow = typeof passkeys.$inferSelect;
const oldestFirst = new RowOrder({ keys: [passkeys.created_at, passkeys.id] });
type NewPasskey = Omit<PasskeyRow, "id" | "created_at" | "used_at">;

/** Enough for the devices of a person, and few enough for the pages and devices that list them. */
export const maxPasskeys = 20;

/** The passkeys of accounts. */
export class Passkeys {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async find({ credential_id, domain }: Pick<PasskeyRow, "credential_id" | "domain">): Promise<PasskeyRow | undefined> {
    const [row] = await this.#db
      .select()
      .from(passkeys)
      .where(and(eq(passkeys.credential_id, credential_id), eq(passkeys.domain, domain)));
    return row;
  }

  /** Returns all passkeys of a person, the oldest first. */
  list(userId: string): Promise<PasskeyRow[]> {
    return this.#db
      .select()
      .from(passkeys)
      .where(eq(passkeys.user_id, userId))
      .orderBy(...oldestFirst.columns);
  }

  async listPage(userId: string, page: PageQuery): Promise<Page<PasskeyRow>> {
    const rows = await this.#db
      .select({ ...getTableColumns(passkeys), position: oldestFirst.position })
      .from(passkeys)
      .where(and(eq(passkeys.user_id, userId), oldestFirst.isAfter(page.cursor)))
      .orderBy(...oldestFirst.columns)
      .limit(page.limit + 1)
      .offset(page.offset ?? 0);
    return oldestFirst.toPage(rows, page.limit);
  }

  async add(passkey: NewPasskey): Promise<PasskeyRow> {
    return this.#db.transaction(async (tx) => {
      // Two devices at once could each add the last one.
      await tx.select({ id: users.id }).from(users).where(eq(users.id, passkey.user_id)).for("update");
      if ((await tx.$count(passkeys, eq(passkeys.user_id, passkey.user_id))) >= maxPasskeys)
        throw new WharfError("too_many_passkeys", { max: maxPasskeys });
      const [added] = await tx
        .insert(passkeys)
        .values({ id: randomUUID(), ...passkey })
        .onConflictDoNothing()
        .returning();
      if (!added) throw new WharfError("passkey_unsuitable", { reason: "it belongs to an account already" });
      return added;
    });
  }

  /**
   * Records a login. A device that counts always counts on: a lower count comes from a copy of the
   * key, or the original was used after a copy.
   */
  async recordUse(tx: Executor, { id, name }: PasskeyRow, { counter, is_synced }: PasskeyUse): Promise<void> {
    const { rowCount } = await tx
      .update(passkeys)
      .set({ counter, is_synced, used_at: sql`now()` })
      .where(
        and(
          eq(passkeys.id, id),
          sql`(${passkeys.counter} < ${counter} or (${passkeys.counter} = 0 and ${counter} = 0))`,
        ),
      );
    if (rowCount === 0) throw new WharfError("passkey_copied", { id, name });
  }

  async remove(userId: string, id: string): Promise<void> {
    const removed = await this.#db
      .delete(passkeys)
      .where(and(eq(passkeys.id, id), eq(passkeys.user_id, userId)))
      .returning({ id: passkeys.id });
    if (removed.length === 0) throw new WharfError("passkey_not_found", { id });
  }

  async listOfMember(caller: Caller, name: string, page: PageQuery): Promise<Page<PasskeyRow>> {
    return this.listPage((await requireManagedAccount(this.#db, caller, name)).id, page);
  }

  /** Removes a passkey of a member, such as one on a lost device. */
  async removeOfMember(caller: Caller, name: string, id: string): Promise<void> {
    await this.remove((await requireManagedAccount(this.#db, caller, name)).id, id);
  }
}

interface PasskeyUse {
  readonly counter: number;
  readonly is_synced: boolean;
}
