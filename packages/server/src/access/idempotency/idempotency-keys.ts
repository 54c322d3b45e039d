import { randomUUID } from "node:crypto";
import { WharfError } from "@wharf/contract";
import { and, eq, sql } from "drizzle-orm";
import { type Database, type Executor, schema } from "../../store/index.ts";

const { idempotency_keys } = schema;

/** Answers are kept for a day. */
const keptHours = 24;
/** How long another request waits for an execution whose server may have died. */
const lockSeconds = 60;
const retryAfterSeconds = 2;
const maxKeysPerUser = 10_000;
/** A larger answer is not stored. */
const maxBodyBytes = 256 * 1024;

/** A request that its caller may repeat. */
export interface KeyedRequest {
  readonly userId: string;
  readonly key: string;
  readonly fingerprint: string;
  /** The request acts outside the database, so it never runs again. */
  readonly actsOutside: boolean;
}

/** The right to execute a request. */
export interface Attempt {
  readonly userId: string;
  readonly key: string;
  readonly attempt: string;
}

export interface StoredAnswer {
  readonly status: number;
  readonly body: string | null;
}

/**
 * Requests that their callers may repeat, in a table that all servers share:
 *
 *   begin ──► execution ── commit: executed, with its result ──► complete: the answer
 *     │           └─ nothing committed, and an error ──► release: the next request executes
 *     └─ the key is known ──► its answer, or a refusal
 *
 * The last statement of each transaction of the execution marks the key. It fails if another
 * execution has begun in the meantime, so only one of them can commit.
 */
export class IdempotencyKeys {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Returns the right to execute the request, or the answer of an earlier one. */
  async begin({ userId, key, fingerprint, actsOutside }: KeyedRequest): Promise<Attempt | StoredAnswer> {
    const attempt = randomUUID();
    await this.#requireRoom(userId);
    const { rowCount } = await this.#db.execute(sql`
      insert into idempotency_keys as known (user_id, key, fingerprint, attempt, locked_until, executed, expires_at)
      values (${userId}, ${key}, ${fingerprint}, ${attempt}, now() + make_interval(secs => ${lockSeconds}), ${actsOutside},
        now() + make_interval(hours => ${keptHours}))
      on conflict (user_id, key) do update set fingerprint = excluded.fingerprint, attempt = excluded.attempt,
        locked_until = excluded.locked_until, executed = excluded.executed, status = null, body = null,
        expires_at = excluded.expires_at
      where known.expires_at < now() or (known.fingerprint = excluded.fingerprint and not known.executed
        and known.status is null and known.locked_until < now())`);
    if (rowCount === 1) return { userId, key, attempt };
    const [known] = await this.#db
      .select({
        fingerprint: idempotency_keys.fingerprint,
        status: idempotency_keys.status,
        body: idempotency_keys.body,
        executed: idempotency_keys.executed,
        isLocked: sql<boolean>`${idempotency_keys.locked_until} > now()`,
      })
      .from(idempotency_keys)
      .where(and(eq(idempotency_keys.user_id, userId), eq(idempotency_keys.key, key)));
    if (known && known.fingerprint !== fingerprint) throw new WharfError("idempotency_key_reused", { key });
    if (known && known.status !== null) return { status: known.status, body: known.body };
    if (known?.executed && !known.isLocked)
      throw new WharfError("idempotency_answer_missing", { reason: "the server stopped before it answered" });
    throw new WharfError("idempotency_in_progress", { retry_after_s: retryAfterSeconds });
  }

  /**
   * Marks a request as executed, in the transaction that executes it, with the answer that follows
   * from its result.
   */
  async markExecuted(tx: Executor, attempt: Attempt, answer: StoredAnswer | undefined): Promise<void> {
    const marked = await tx
      .update(idempotency_keys)
      .set({ executed: true, ...(answer && fits(answer) && answer) })
      .where(isAttempt(attempt))
      .returning({ key: idempotency_keys.key });
    if (marked.length === 0) throw new WharfError("idempotency_in_progress", { retry_after_s: retryAfterSeconds });
  }

  /** Stores the answer of a request that was executed. */
  async complete(attempt: Attempt, { status, body }: StoredAnswer): Promise<void> {
    const stored = fits({ status, body }) ? body : null;
    await this.#db.update(idempotency_keys).set({ executed: true, status, body: stored }).where(isAttempt(attempt));
  }

  /** Forgets a request that has changed nothing, so that it may be repeated. */
  async release(attempt: Attempt): Promise<boolean> {
    const released = await this.#db
      .delete(idempotency_keys)
      .where(and(isAttempt(attempt), eq(idempotency_keys.executed, false)))
      .returning({ key: idempotency_keys.key });
    return released.length > 0;
  }

  /** Deletes keys that have expired. */
  async prune(maxRows: number): Promise<number> {
    const { rowCount } = await this.#db.execute(sql`
      delete from idempotency_keys where (user_id, key) in (
        select user_id, key from idempotency_keys where expires_at < now() limit ${maxRows})`);
    return rowCount ?? 0;
  }

  async #requireRoom(userId: string): Promise<void> {
    const { rows } = await this.#db.execute<{ n: number }>(sql`
      select count(*)::int as n from (
        select 1 from idempotency_keys where user_id = ${userId} limit ${maxKeysPerUser}) counted`);
    if ((rows[0]?.n ?? 0) >= maxKeysPerUser) throw new WharfError("rate_limited", { retry_after_s: 3_600 });
  }
}

const isAttempt = ({ userId, key, attempt }: Attempt) =>
  and(eq(idempotency_keys.user_id, userId), eq(idempotency_keys.key, key), eq(idempotency_keys.attempt, attempt));

const fits = ({ body }: StoredAnswer): boolean => body === null || Buffer.byteLength(body) <= maxBodyBytes;
