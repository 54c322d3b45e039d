import type { AuditRecord } from "./audit-record.ts";

export interface RepeatedActsOptions {
  readonly countMs: number;
  readonly write: (record: AuditRecord) => void;
  /** Whether the log takes entries; otherwise they are counted until it does. */
  readonly canWrite: () => boolean;
}

interface Count {
  readonly record: AuditRecord;
  /** Acts that are not written yet. */
  times: number;
}

/** Acts that are told apart at the same time. Beyond that, those of a kind count together. */
const maxCounts = 1_000;

/**
 * Counts acts that repeat. The first of a kind is written at once; those that follow are written
 * with their number when the time of counting ends.
 *
 *   first act ── written ── counting ──► time ends ── none: forgotten
 *                              ▲                   └─ some: written with their number ──┐
 *                              └────────────────────────────────────────────────────────┘
 */
export class RepeatedActs {
  readonly #options: RepeatedActsOptions;
  readonly #counts = new Map<string, Count>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RepeatedActsOptions) {
    this.#options = options;
  }

  add(record: AuditRecord): void {
    const key = this.#getKey(record);
    const count = this.#counts.get(key);
    if (count) {
      count.times++;
      return;
    }
    const isOverflow = this.#counts.size >= maxCounts;
    const general = isOverflow ? generalize(record) : record;
    const generalKey = isOverflow ? this.#getKey(general) : key;
    const existing = this.#counts.get(generalKey);
    if (existing) existing.times++;
    else this.#begin(generalKey, general);
  }

  /** Writes everything that has been counted. */
  close(): void {
    clearTimeout(this.#timer);
    for (const count of this.#counts.values()) this.#write(count);
    this.#counts.clear();
  }

  #flush(): void {
    this.#timer = undefined;
    for (const [key, count] of this.#counts) {
      if (count.times === 0) this.#counts.delete(key);
      else if (this.#options.canWrite()) this.#write(count);
    }
    if (this.#counts.size > 0) this.#flushLater();
  }

  #begin(key: string, record: AuditRecord): void {
    const isWritten = this.#options.canWrite();
    if (isWritten) this.#options.write(record);
    this.#counts.set(key, { record, times: isWritten ? 0 : 1 });
    this.#flushLater();
  }

  #flushLater(): void {
    this.#timer ??= setTimeout(() => this.#flush(), this.#options.countMs).unref();
  }

  #write(count: Count): void {
    const { record, times } = count;
    if (times > 0) this.#options.write({ ...record, details: { ...record.details, times } });
    count.times = 0;
  }

  #getKey({ actor, action, target, result, error, address, details }: AuditRecord): string {
    return JSON.stringify([actor.kind, actor.id, action, target?.kind, target?.id, result, error, address, details]);
  }
}

/** Keeps only what few values have, so that no sender can fill the memory or the log. */
const generalize = ({ actor, action, result, error, organization_id }: AuditRecord): AuditRecord => ({
  ...(organization_id !== undefined && { organization_id }),
  actor: { kind: actor.kind },
  action,
  result,
  ...(error !== undefined && { error }),
});
