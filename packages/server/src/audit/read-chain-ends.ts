import type { AuditAnchor } from "@wharf/contract";
import { type Database, schema } from "../store/index.ts";

const { audit_chain } = schema;

export interface ChainEnds {
  /** The last entry that was removed; the chain begins behind it. */
  readonly start: AuditAnchor;
  readonly end: AuditAnchor;
}

/** Reads where the chain begins and ends, according to its record. */
export async function readChainEnds(db: Pick<Database, "select">): Promise<ChainEnds | undefined> {
  const [row] = await db.select().from(audit_chain);
  return (
    row && {
      start: { sequence: row.pruned_sequence, hash: row.pruned_hash },
      end: { sequence: row.sequence, hash: row.hash },
    }
  );
}
