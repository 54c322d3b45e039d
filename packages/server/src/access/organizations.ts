import { randomUUID } from "node:crypto";
import { hasRolePermission, type OrganizationRole, Permission, WharfError } from "@wharf/contract";
import { asc, eq } from "drizzle-orm";
import { type Database, schema } from "../store/index.ts";
import type { Caller } from "./scope.ts";

const { board_members, boards, memberships, organizations, users } = schema;
export type OrganizationRow = typeof organizations.$inferSelect;

/** The organisations of one server. */
export class Organizations {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Creates an organisation with a first board, which both belong to their creator. */
  async create({ user_id }: Caller, input: { name: string; slug: string }): Promise<OrganizationRow> {
    const organization = { organization_id: randomUUID() };
    const board = { board_id: randomUUID() };
    return this.#db.transaction(async (tx) => {
      const [row] = await tx
        .insert(organizations)
        .values({ id: organization.organization_id, ...input })
        .onConflictDoNothing()
        .returning();
      if (!row) throw new WharfError("organization_exists", { slug: input.slug });
      await tx.insert(memberships).values({ ...organization, user_id, role: "admin" });
      await tx.insert(boards).values({ id: board.board_id, ...organization, owner_id: user_id, name: "Board" });
      await tx.insert(board_members).values({ ...board, user_id, role: "owner" });
      return row;
    });
  }

  /** Describes a caller: the user, the organisations, and what the request may do. */
  async describeCaller(caller: Caller) {
    const [user] = await this.#db.select().from(users).where(eq(users.id, caller.user_id));
    const rows = await this.#db
      .select({ organization: organizations, role: memberships.role })
      .from(memberships)
      .innerJoin(organizations, eq(organizations.id, memberships.organization_id))
      .where(eq(memberships.user_id, caller.user_id))
      .orderBy(asc(memberships.created_at), asc(organizations.slug));
    const current = rows.find(({ organization }) => organization.id === caller.organization_id);
    if (!user || !current) throw new WharfError("unauthenticated", {});
    return {
      user,
      organization: current.organization,
      role: caller.role,
      permissions: listPermissions(caller),
      organizations: rows.map(({ organization, role }): OrganizationRow & { role: OrganizationRole } => ({
        ...organization,
        role,
      })),
    };
  }
}

/** Returns the permissions that the role and the token of a caller have. */
export const listPermissions = (caller: Caller): Permission[] =>
  Permission.options.filter(
    (name) => hasRolePermission(caller, name) && (caller.permissions === undefined || caller.permissions.has(name)),
  );
