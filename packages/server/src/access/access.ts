import { createHash, randomUUID, timingSafeEqual } from "node:crypto";
import { and, asc, eq, isNull } from "drizzle-orm";
import { type Database, schema } from "../store/index.ts";

const { boards, organizations, users } = schema;

/** The sender of a request. */
export interface Principal {
  readonly user_id: string;
  readonly organization_id: string;
  readonly default_board_id: string;
}

const getDigest = (text: string) => createHash("sha256").update(text).digest();

/** Compares two tokens without revealing by its timing where they differ. */
export const isSameToken = (presentedToken: string, real: string): boolean =>
  timingSafeEqual(getDigest(presentedToken), getDigest(real));

/**
 * Creates the organisation, the owner and the first board in an empty database; returns the
 * existing ones in any other.
 */
export async function ensureOwner(db: Database): Promise<Principal> {
  return db.transaction(async (tx) => {
    await tx.insert(organizations).values({ id: randomUUID(), name: "Home", slug: "home" }).onConflictDoNothing();
    const [organization] = await tx.select().from(organizations).where(eq(organizations.slug, "home"));
    const values = {
      id: randomUUID(),
      organization_id: organization!.id,
      email: "owner@localhost",
      username: "owner",
      role: "admin" as const,
    };
    await tx.insert(users).values(values).onConflictDoNothing();
    const [owner] = await tx.select().from(users).where(eq(users.username, "owner")).for("update");
    const findFirstBoard = () =>
      tx
        .select()
        .from(boards)
        .where(and(eq(boards.owner_id, owner!.id), isNull(boards.deleted_at)))
        .orderBy(asc(boards.created_at))
        .limit(1);
    let [board] = await findFirstBoard();
    if (!board) {
      await tx
        .insert(boards)
        .values({ id: randomUUID(), organization_id: organization!.id, owner_id: owner!.id, name: "Board" });
      [board] = await findFirstBoard();
    }
    return { user_id: owner!.id, organization_id: organization!.id, default_board_id: board!.id };
  });
}
