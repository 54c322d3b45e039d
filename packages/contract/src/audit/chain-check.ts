import type { AuditAnchor, AuditFault } from "../server/audit.ts";
import { computeAuditHash, emptyHash, type HashedEntry } from "./audit-hash.ts";

/** Follows a chain entry by entry, up to the first one that does not continue it. */
export class ChainCheck {
  #end: AuditAnchor;
  #checked = 0;
  #anchor: AuditAnchor | undefined;
  #fault: AuditFault | undefined;

  /** `start` is the entry before the first one; `anchor` is an earlier end of the chain. */
  constructor({ start, anchor }: { start?: AuditAnchor | undefined; anchor?: AuditAnchor | undefined } = {}) {
    this.#end = start ?? { sequence: 0, hash: emptyHash };
    this.#anchor = anchor;
    this.#compareAnchor(this.#end);
  }

  /** The last entry that continues the chain. */
  get end(): AuditAnchor {
    return this.#end;
  }

  get checked(): number {
    return this.#checked;
  }

  get fault(): AuditFault | undefined {
    return this.#fault;
  }

  /** Returns whether the chain is intact so far. */
  add(entry: HashedEntry): boolean {
    if (this.#fault) return false;
    const expected = this.#end.sequence + 1;
    if (entry.sequence !== expected) {
      const missing = `Entry ${expected} is missing: entry ${entry.sequence} follows ${this.#end.sequence}.`;
      return this.#break({ kind: "missing", sequence: expected, message: missing });
    }
    if (computeAuditHash(this.#end.hash, entry) !== entry.hash)
      return this.#break({
        kind: "changed",
        sequence: expected,
        message: `Entry ${expected} or its place was changed: its content does not have its hash.`,
      });
    this.#checked++;
    this.#end = { sequence: entry.sequence, hash: entry.hash };
    return this.#compareAnchor(this.#end);
  }

  #compareAnchor({ sequence, hash }: AuditAnchor): boolean {
    if (this.#anchor?.sequence !== sequence || this.#anchor.hash === hash) return true;
    const message = `Entry ${sequence} has another hash than the anchor: the log was written again.`;
    return this.#break({ kind: "anchor", sequence, message });
  }

  #break(fault: AuditFault): false {
    this.#fault = fault;
    return false;
  }
}
