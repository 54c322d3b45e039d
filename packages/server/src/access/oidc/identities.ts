import { randomUUID } from "node:crypto";
import { WharfError } from "@wharf/contract";
import { and, eq, getTableColumns, sql } from "drizzle-orm";
import { type Database, type Executor, type Page, type PageQuery, RowOrder, schema } from "../../store/index.ts";
import { requireManagedAccount } from "../logins/accounts.ts";
import type { Caller } from "../scope.ts";

const { identities } = schema;

type IdentityRow = typeof identities.$inferSelect;
const oldestFirst = new RowOrder({ keys: [identities.created_at, identities.id] });
type NewIdentity = Pick<IdentityRow, "email" | "issuer" | "subject" | "user_id">;

/** Which account a login provider's person logs in to. */
export class Identities {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async find({ issuer, subject }: Pick<IdentityRow, "issuer" | "subject">): Promise<IdentityRow | undefined> {
    const [row] = await this.#db
      .select()
      .from(identities)
      .where(and(eq(identities.issuer, issuer), eq(identities.subject, subject)));
    return row;
  }

  /** Each of a provider's persons logs in to one account. */
  async add(tx: Executor, identity: NewIdentity): Promise<void> {
    const added = await tx
      .insert(identities)
      .values({ id: randomUUID(), ...identity })
      .onConflictDoNothing()
      .returning({ id: identities.id });
    if (added.length === 0) throw new WharfError("oidc_attempt_lost", {});
  }

  async recordUse(tx: Executor, id: string): Promise<void> {
    await tx
      .update(identities)
      .set({ used_at: sql`now()` })
      .where(eq(identities.id, id));
  }

  /** Returns all identities of a person, the oldest first. */
  list(userId: string): Promise<IdentityRow[]> {
    return this.#db
      .select()
      .from(identities)
      .where(eq(identities.user_id, userId))
      .orderBy(...oldestFirst.columns);
  }

  async listPage(userId: string, page: PageQuery): Promise<Page<IdentityRow>> {
    const rows = await this.#db
      .select({ ...getTableColumns(identities), position: oldestFirst.position })
      .from(identities)
      .where(and(eq(identities.user_id, userId), oldestFirst.isAfter(page.cursor)))
      .orderBy(...oldestFirst.columns)
      .limit(page.limit + 1)
      .offset(page.offset ?? 0);
    return oldestFirst.toPage(rows, page.limit);
  }

  async remove(userId: string, id: string): Promise<void> {
    const removed = await this.#db
      .delete(identities)
      .where(and(eq(identities.id, id), eq(identities.user_id, userId)))
      .returning({ id: identities.id });
    if (removed.length === 0) throw new WharfError("identity_not_found", { id });
  }

  async listOfMember(caller: Caller, name: string, page: PageQuery): Promise<Page<IdentityRow>> {
    return this.listPage((await requireManagedAccount(this.#db, caller, name)).id, page);
  }

  async removeOfMember(caller: Caller, name: string, id: string): Promise<void> {
    await this.remove((await requireManagedAccount(this.#db, caller, name)).id, id);
  }
}
