import { randomUUID } from "node:crypto";
import { type MemberInput, type OrganizationRole, type PeopleSort, WharfError } from "@wharf/contract";
import { and, eq, or, sql } from "drizzle-orm";
import { z } from "zod";
import { createRowOrders, type Database, type Executor, type Page, type PageQuery, schema } from "../store/index.ts";
import type { Scope } from "./scope.ts";

const { access_tokens, memberships, organizations, users } = schema;

const memberColumns = {
  id: users.id,
  username: users.username,
  email: users.email,
  role: memberships.role,
  is_service: users.is_service,
  is_operator: users.is_operator,
  created_at: memberships.created_at,
};

export interface MemberRow {
  readonly id: string;
  readonly username: string;
  readonly email: string;
  readonly role: OrganizationRole;
  readonly is_service: boolean;
  readonly is_operator: boolean;
  readonly created_at: Date;
}

const getOrder = createRowOrders(
  { created_at: [memberships.created_at, users.username], username: [users.username] },
  "created_at",
);

type MemberScope = Pick<Scope, "organization_id">;

/** Finds a user of the organisation by id or name. */
export async function findMember(db: Executor, { organization_id }: MemberScope, name: string): Promise<MemberRow> {
  const isName = eq(users.username, name);
  const isNamed = z.uuid().safeParse(name).success ? or(isName, eq(users.id, name)) : isName;
  const [row] = await db
    .select(memberColumns)
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.user_id))
    .where(and(eq(memberships.organization_id, organization_id), isNamed));
  if (!row) throw new WharfError("user_not_found", { name });
  return row;
}

/**
 * The users of organisations. A user may be in several; the row of the user belongs to none of
 * them, and an organisation adds and removes only memberships.
 */
export class Members {
  readonly #db: Database;
  readonly #onChange: () => void;

  /** @param onChange Called after somebody may have lost access. */
  constructor(db: Database, onChange: () => void) {
    this.#db = db;
    this.#onChange = onChange;
  }

  async list(
    { organization_id }: MemberScope,
    page: PageQuery & { sort?: PeopleSort | undefined },
  ): Promise<Page<MemberRow>> {
    const order = getOrder(page.sort);
    const rows = await this.#db
      .select({ ...memberColumns, position: order.position })
      .from(memberships)
      .innerJoin(users, eq(users.id, memberships.user_id))
      .where(and(eq(memberships.organization_id, organization_id), order.isAfter(page.cursor)))
      .orderBy(...order.columns)
      .limit(page.limit + 1)
      .offset(page.offset ?? 0);
    return order.toPage(rows, page.limit);
  }

  /**
   * Creates a user. An account that exists is never added, because its person has not agreed to it:
   * they accept an invitation. Only a program that left its last organisation can be taken over.
   */
  async add({ organization_id }: MemberScope, { role, ...input }: MemberInput): Promise<MemberRow> {
    const { username, is_service, email = `${username}@localhost` } = input;
    return this.#db.transaction(async (tx) => {
      const [created] = await tx
        .insert(users)
        .values({ id: randomUUID(), username, email, is_service })
        .onConflictDoNothing()
        .returning({ id: users.id });
      const userId = created?.id ?? (await findUnusedService(tx, { organization_id, username, email, is_service }));
      await tx.insert(memberships).values({ organization_id, user_id: userId, role });
      return findMember(tx, { organization_id }, userId);
    });
  }

  async setRole(scope: MemberScope, name: string, role: OrganizationRole): Promise<MemberRow> {
    const { organization_id } = scope;
    const member = await this.#db.transaction(async (tx) => {
      await lockOrganization(tx, organization_id);
      const { id } = await findMember(tx, scope, name);
      if (role !== "admin") await requireOtherAdmin(tx, organization_id, id);
      await tx
        .update(memberships)
        .set({ role, updated_at: sql`now()` })
        .where(and(eq(memberships.organization_id, organization_id), eq(memberships.user_id, id)));
      return findMember(tx, scope, id);
    });
    this.#onChange();
    return member;
  }

  /** Removes a user with their tokens, and their roles and assignments on boards. */
  async remove(scope: MemberScope, name: string): Promise<void> {
    const { organization_id } = scope;
    await this.#db.transaction(async (tx) => {
      await lockOrganization(tx, organization_id);
      const { id } = await findMember(tx, scope, name);
      await requireOtherAdmin(tx, organization_id, id);
      const ownTokens = and(eq(access_tokens.organization_id, organization_id), eq(access_tokens.user_id, id));
      await tx.delete(access_tokens).where(ownTokens);
      await tx.execute(sql`
        delete from board_members using boards
        where boards.id = board_members.board_id and boards.organization_id = ${organization_id}
          and board_members.user_id = ${id}`);
      await tx.execute(sql`
        update tasks set assignee_id = null, updated_at = now() from boards
        where boards.id = tasks.board_id and boards.organization_id = ${organization_id}
          and tasks.assignee_id = ${id}`);
      await tx
        .delete(memberships)
        .where(and(eq(memberships.organization_id, organization_id), eq(memberships.user_id, id)));
    });
    this.#onChange();
  }
}

interface ExistingUser extends MemberScope {
  readonly username: string;
  readonly email: string;
  readonly is_service: boolean;
}

/** Returns an existing program that no organisation has any more, and refuses all other users. */
async function findUnusedService(tx: Executor, { organization_id, ...user }: ExistingUser): Promise<string> {
  const { username, email, is_service } = user;
  // Locked, so that two organisations do not take it at once.
  const [existing] = await tx
    .select({ id: users.id })
    .from(users)
    .where(and(eq(users.username, username), eq(users.email, email), eq(users.is_service, is_service)))
    .for("update");
  if (!existing) throw new WharfError("user_exists", { username });
  const joined = await tx
    .select({ id: memberships.organization_id })
    .from(memberships)
    .where(eq(memberships.user_id, existing.id));
  const isMember = joined.some(({ id }) => id === organization_id);
  if (!isMember && !is_service) throw new WharfError("user_needs_invitation", { username, email });
  if (joined.length > 0) throw new WharfError("user_exists", { username });
  return existing.id;
}

/** Two changes at once could each leave the other one's admin as the last. */
const lockOrganization = (tx: Executor, id: string) =>
  tx.select({ id: organizations.id }).from(organizations).where(eq(organizations.id, id)).for("update");

/** An organisation keeps an admin, and the owner's token always acts as an admin of theirs. */
async function requireOtherAdmin(tx: Executor, organizationId: string, userId: string): Promise<void> {
  const { rows } = await tx.execute<{ is_last: boolean; is_owner: boolean }>(sql`
    select not exists (
        select from memberships
        where organization_id = ${organizationId} and role = 'admin' and user_id <> ${userId}) as is_last,
      exists (
        select from organizations join users on users.id = ${userId}
        where organizations.id = ${organizationId} and organizations.slug = 'home' and users.username = 'owner'
      ) as is_owner`);
  if (rows[0]?.is_last || rows[0]?.is_owner) throw new WharfError("organization_needs_admin", {});
}
