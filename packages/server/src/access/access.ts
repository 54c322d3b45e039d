import { randomUUID } from "node:crypto";
import { and, asc, eq, isNull } from "drizzle-orm";
import { type Database, schema } from "../store/index.ts";

const { board_members, boards, memberships, organizations, users } = schema;

/** The person who runs the server, with their own organisation and its first board. */
export interface Owner {
  readonly user_id: string;
  readonly username: string;
  readonly organization_id: string;
  readonly default_board_id: string;
}

/**
 * Creates the organisation, the owner and the first board in an empty database; returns the
 * existing ones in any other.
 */
export async function ensureOwner(db: Database): Promise<Owner> {
  return db.transaction(async (tx) => {
    await tx.insert(organizations).values({ id: randomUUID(), name: "Home", slug: "home" }).onConflictDoNothing();
    const [organization] = await tx.select().from(organizations).where(eq(organizations.slug, "home"));
    const values = { id: randomUUID(), email: "owner@localhost", username: "owner", is_operator: true };
    await tx.insert(users).values(values).onConflictDoNothing();
    const [owner] = await tx.select().from(users).where(eq(users.username, "owner")).for("update");
    const place = { organization_id: organization!.id, user_id: owner!.id };
    await tx
      .insert(memberships)
      .values({ ...place, role: "admin" })
      .onConflictDoNothing();
    const findFirstBoard = () =>
      tx
        .select()
        .from(boards)
        .where(
          and(eq(boards.organization_id, organization!.id), eq(boards.owner_id, owner!.id), isNull(boards.deleted_at)),
        )
        .orderBy(asc(boards.created_at))
        .limit(1);
    let [board] = await findFirstBoard();
    if (!board) {
      const id = randomUUID();
      await tx.insert(boards).values({ id, organization_id: organization!.id, owner_id: owner!.id, name: "Board" });
      await tx.insert(board_members).values({ board_id: id, user_id: owner!.id, role: "owner" });
      [board] = await findFirstBoard();
    }
    return {
      user_id: owner!.id,
      username: owner!.username,
      organization_id: organization!.id,
      default_board_id: board!.id,
    };
  });
}
