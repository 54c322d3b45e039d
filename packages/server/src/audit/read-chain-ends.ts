import type { AuditAnchor } from "@wharf/contract";
import { sql } from "drizzle-orm";
import type { Database } from "../store/index.ts";

export interface ChainEnds {
  /** The last entry that was removed; the chain begins behind it. */
  readonly start: AuditAnchor;
  readonly end: AuditAnchor;
}

/** Reads where the chain begins and ends, according to its record. */
export async function readChainEnds(db: Pick<Database, "execute">): Promise<ChainEnds | undefined> {
  const { rows } = await db.execute<Record<"sequence" | "hash" | "pruned_sequence" | "pruned_hash", string>>(
    sql`select sequence, hash, pruned_sequence, pruned_hash from audit_chain`,
  );
  const [row] = rows;
  return (
    row && {
      start: { sequence: Number(row.pruned_sequence), hash: row.pruned_hash },
      end: { sequence: Number(row.sequence), hash: row.hash },
    }
  );
}
