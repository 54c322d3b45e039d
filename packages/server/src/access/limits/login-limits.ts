import { createHash } from "node:crypto";
import { WharfError } from "@wharf/contract";
import { and, eq, sql } from "drizzle-orm";
import { type Database, schema } from "../../store/index.ts";
import { getNetwork } from "./network.ts";

const { login_failures } = schema;

/** The attempts that fail before further ones are refused, for a time that doubles each time. */
interface Limit {
  readonly key: string;
  readonly maxFailures: number;
  /** Whether a success forgives all failures, or only itself. */
  readonly isForgiven: boolean;
}

export interface LoginAttempt {
  /** The name that the person typed, whether or not an account has it; absent if none is typed. */
  readonly account?: string;
  readonly address: string;
}

const firstBlockSeconds = 30;
const maxBlockSeconds = 15 * 60;
/** Without a failure for this long, a count begins again. */
const memorySeconds = 3600;

/**
 * Limits failed logins: of one account from one network, of one account from anywhere, and of all
 * accounts from one network. The counts are rows, so that they outlive a restart and hold for all
 * servers. Accounts that do not exist count alike, so that nothing shows whether one does.
 */
export class LoginLimits {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Counts an attempt as a failure before its password is compared, so that attempts at the same
   * time count too. Throws if a limit is reached.
   */
  async begin(attempt: LoginAttempt): Promise<void> {
    const limits = getLimits(attempt);
    // A network that is blocked adds no rows, whatever accounts it names.
    await this.#requireOpen(getNetworkLimit(attempt).key);
    for (const limit of limits) await this.#count(limit);
  }

  /** Takes the attempt back, because it succeeded. */
  async succeed(attempt: LoginAttempt): Promise<void> {
    for (const { key, maxFailures, isForgiven } of getLimits(attempt)) {
      if (isForgiven) await this.#db.delete(login_failures).where(eq(login_failures.key, key));
      else
        await this.#db
          .update(login_failures)
          .set({
            failures: sql`greatest(failures - 1, 0)`,
            blocked_until: sql`case when failures > ${maxFailures} then blocked_until end`,
          })
          .where(eq(login_failures.key, key));
    }
  }

  /** Deletes some of the counts that are over; returns how many. */
  async prune(maxRows: number): Promise<number> {
    const old = sql`array(select key from login_failures where forget_at < now() limit ${maxRows})`;
    const { rowCount } = await this.#db.delete(login_failures).where(sql`${login_failures.key} = any(${old})`);
    return rowCount ?? 0;
  }

  async #count({ key, maxFailures }: Limit): Promise<void> {
    const failures = sql`case when login_failures.forget_at < now() then 1 else login_failures.failures + 1 end`;
    const exponent = sql`least(${failures} - ${maxFailures}, 20)`;
    const seconds = sql`least(${firstBlockSeconds} * power(2, ${exponent}), ${maxBlockSeconds})`;
    const block = sql`case when ${failures} >= ${maxFailures} then now() + make_interval(secs => ${seconds}) end`;
    const [counted] = await this.#db
      .insert(login_failures)
      .values({ key, failures: 1, forget_at: sql`now() + make_interval(secs => ${memorySeconds})` })
      .onConflictDoUpdate({
        target: login_failures.key,
        set: {
          failures,
          blocked_until: block,
          forget_at: sql`coalesce(${block}, now()) + make_interval(secs => ${memorySeconds})`,
        },
        setWhere: sql`coalesce(login_failures.blocked_until < now(), true)`,
      })
      .returning({ key: login_failures.key });
    if (counted) return;
    await this.#requireOpen(key);
    // The block has ended since the statement before.
    throw new WharfError("rate_limited", { retry_after_s: 1 });
  }

  async #requireOpen(key: string): Promise<void> {
    const seconds = sql<number>`ceil(extract(epoch from ${login_failures.blocked_until} - now()))::int`;
    const [blocked] = await this.#db
      .select({ seconds })
      .from(login_failures)
      .where(and(eq(login_failures.key, key), sql`${login_failures.blocked_until} >= now()`));
    if (blocked) throw new WharfError("rate_limited", { retry_after_s: Math.max(1, blocked.seconds) });
  }
}

/**
 * The narrowest limit comes first: the attempts that it refuses do not count for the others, so
 * that one client cannot block an account everywhere, or everyone else in its network.
 */
function getLimits(attempt: LoginAttempt): readonly Limit[] {
  const { account, address } = attempt;
  const networkLimit = getNetworkLimit(attempt);
  if (account === undefined) return [networkLimit];
  return [
    { key: hashLimitKey("account and network", account, getNetwork(address)), maxFailures: 5, isForgiven: true },
    networkLimit,
    { key: hashLimitKey("account", account), maxFailures: 50, isForgiven: false },
  ];
}

const getNetworkLimit = ({ address }: LoginAttempt): Limit => ({
  key: hashLimitKey("network", getNetwork(address)),
  maxFailures: 50,
  isForgiven: false,
});

/** Hashes the names of a limit, so that the table contains no addresses. */
export const hashLimitKey = (...parts: readonly string[]): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
