import { randomUUID } from "node:crypto";
import { WharfError } from "@wharf/contract";
import { and, eq, type SQL, sql } from "drizzle-orm";
import { type Database, type Executor, schema } from "../../store/index.ts";
import { getNetwork } from "../limits/network.ts";
import { createSecretText, hashSecretText } from "../secret-text.ts";

const { login_challenges } = schema;

export type ChallengeRow = typeof login_challenges.$inferSelect;
export type ChallengeKind = ChallengeRow["kind"];

export interface NewChallenge {
  readonly kind: ChallengeKind;
  /** The client that asks, whose network may have only so many open ones. */
  readonly address: string;
  readonly user_agent?: string;
  readonly user_id?: string;
  readonly code_hash?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

const lifetimeSeconds = 10 * 60;
const maxOpenPerNetwork = 50;
const maxUserAgentLength = 300;

/**
 * Steps of a login that a person has yet to finish. Each is used at most once and expires. Its
 * secret is stored as a hash.
 */
export class Challenges {
  readonly lifetimeSeconds = lifetimeSeconds;
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async create({ kind, address, user_agent = "", ...more }: NewChallenge): Promise<string> {
    const network = getNetwork(address);
    const [open] = await this.#db
      .select({ count: sql<number>`count(*)::int` })
      .from(login_challenges)
      .where(and(eq(login_challenges.network, network), isOpen));
    if ((open?.count ?? 0) >= maxOpenPerNetwork) throw new WharfError("rate_limited", { retry_after_s: 60 });
    const secret = createSecretText();
    await this.#db.insert(login_challenges).values({
      id: randomUUID(),
      kind,
      network,
      address,
      secret_hash: hashSecretText(secret),
      user_agent: user_agent.slice(0, maxUserAgentLength),
      expires_at: sql`now() + make_interval(secs => ${lifetimeSeconds})`,
      ...more,
    });
    return secret;
  }

  async find(kind: ChallengeKind, secret: string): Promise<ChallengeRow | undefined> {
    return this.#find(and(eq(login_challenges.kind, kind), hasSecret(secret)));
  }

  async findByCode(kind: ChallengeKind, codeHash: string): Promise<ChallengeRow | undefined> {
    return this.#find(and(eq(login_challenges.kind, kind), eq(login_challenges.code_hash, codeHash)));
  }

  /** Uses a challenge up. The caller's transaction does what it is for. */
  async use(tx: Executor, kind: ChallengeKind, secret: string): Promise<ChallengeRow | undefined> {
    const [row] = await tx
      .delete(login_challenges)
      .where(and(eq(login_challenges.kind, kind), hasSecret(secret), isOpen))
      .returning();
    return row;
  }

  /** Records a person's decision; returns whether the challenge was still undecided. */
  async decide(id: string, decision: { user_id: string; is_approved: boolean }): Promise<boolean> {
    const { rowCount } = await this.#db
      .update(login_challenges)
      .set(decision)
      .where(and(eq(login_challenges.id, id), sql`${login_challenges.is_approved} is null`, isOpen));
    return rowCount === 1;
  }

  /** Deletes some of the challenges that expired; returns how many. */
  async prune(maxRows: number): Promise<number> {
    const old = sql`array(select id from login_challenges where expires_at < now() limit ${maxRows})`;
    const { rowCount } = await this.#db.delete(login_challenges).where(sql`${login_challenges.id} = any(${old})`);
    return rowCount ?? 0;
  }

  async #find(condition: SQL | undefined): Promise<ChallengeRow | undefined> {
    const [row] = await this.#db.select().from(login_challenges).where(and(condition, isOpen));
    return row;
  }
}

const isOpen = sql`${login_challenges.expires_at} > now()`;
const hasSecret = (secret: string): SQL => eq(login_challenges.secret_hash, hashSecretText(secret));
