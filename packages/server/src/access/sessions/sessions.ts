import { randomUUID } from "node:crypto";
import { type LoginSessionSort, WharfError } from "@wharf/contract";
import { and, eq, getTableColumns, ne, type Placeholder, type SQL, sql } from "drizzle-orm";
import {
  buildOnce,
  createRowOrders,
  type Database,
  type Executor,
  type Page,
  type PageQuery,
  schema,
} from "../../store/index.ts";
import { createSecretText, deriveKey, hashSecretText } from "../secret-text.ts";
import { formatRefreshToken, parseRefreshToken } from "./refresh-token.ts";

const { sessions } = schema;

const getOrder = createRowOrders(
  { created_at: [sessions.created_at, sessions.id], used_at: [sessions.used_at, sessions.id] },
  "-created_at",
);

export type SessionRow = typeof sessions.$inferSelect;
export type LoginMethod = SessionRow["method"];

/** Where a login comes from, for the person who reads the list of sessions. */
export interface LoginSource {
  readonly address: string;
  readonly user_agent: string;
}

export interface NewLogin extends LoginSource {
  readonly user_id: string;
  readonly method: LoginMethod;
}

export interface SessionTimes {
  /** How long a session lasts without a request. */
  readonly idleMs: number;
  /** How long a session lasts at most. */
  readonly maxMs: number;
}

export interface SessionsOptions {
  readonly secret: string;
  readonly times: SessionTimes;
  /** Called after a session ended before its time. */
  readonly onEnd: () => void;
}

/** How precisely the last use is known; a statement for each request would cost more. */
const useIntervalMs = 60_000;
/**
 * A program that did not receive the answer sends the same token again. The time is short, because
 * a thief's copy of the token would work as well.
 */
const retryMs = 15_000;
const maxUserAgentLength = 300;

/**
 * The sessions of people. A browser holds a random cookie. A program holds a refresh token, which
 * is replaced at each use: the use of a replaced token means that two programs have it, so the
 * session ends. A session that ended has no row.
 */
export class Sessions {
  readonly #db: Database;
  readonly #refreshKey: Buffer;
  readonly #times: SessionTimes;
  readonly #onEnd: () => void;

  constructor(db: Database, { secret, times, onEnd }: SessionsOptions) {
    this.#onEnd = onEnd;
    this.#db = db;
    this.#refreshKey = deriveKey(secret, "refresh tokens");
    this.#times = times;
  }

  /** How long a session lasts at most. */
  get maxMs(): number {
    return this.#times.maxMs;
  }

  async startBrowserSession(tx: Executor, login: NewLogin): Promise<{ session: SessionRow; cookie: string }> {
    const cookie = createSecretText();
    const session = await this.#insert(tx, login, { kind: "browser", secret_hash: hashSecretText(cookie) });
    return { session, cookie };
  }

  async startProgramSession(tx: Executor, login: NewLogin): Promise<{ session: SessionRow; refresh_token: string }> {
    const session = await this.#insert(tx, login, { kind: "program" });
    return { session, refresh_token: this.#formatToken(session) };
  }

  /** Returns the session of a browser's cookie. */
  async findByCookie(cookie: string): Promise<SessionRow | undefined> {
    return this.#find("secret_hash", hashSecretText(cookie));
  }

  /** Returns the session of an access token. */
  async findById(id: string): Promise<SessionRow | undefined> {
    return this.#find("id", id);
  }

  /** Replaces a refresh token. */
  async refresh(token: string): Promise<{ session: SessionRow; refresh_token: string }> {
    const claim = parseRefreshToken(this.#refreshKey, token);
    if (!claim) throw new WharfError("login_ended", {});
    const result = await this.#db.transaction((tx) => this.#replaceToken(tx, claim));
    if (!result) {
      this.#onEnd();
      throw new WharfError("login_ended", {});
    }
    return { session: result, refresh_token: this.#formatToken(result) };
  }

  /** Returns the session of a refresh token, also of one that was replaced. */
  findTokenSession(token: string): string | undefined {
    return parseRefreshToken(this.#refreshKey, token)?.session_id;
  }

  async list(userId: string, page: PageQuery & { sort?: LoginSessionSort | undefined }): Promise<Page<SessionRow>> {
    const order = getOrder(page.sort);
    const rows = await this.#db
      .select({ ...getTableColumns(sessions), position: order.position })
      .from(sessions)
      .where(and(eq(sessions.user_id, userId), this.#isAlive(), order.isAfter(page.cursor)))
      .orderBy(...order.columns)
      .limit(page.limit + 1)
      .offset(page.offset ?? 0);
    return order.toPage(rows, page.limit);
  }

  /** Ends one session of a person; returns whether there was one. */
  async end(userId: string, id: string): Promise<boolean> {
    const { rowCount } = await this.#db.delete(sessions).where(and(eq(sessions.id, id), eq(sessions.user_id, userId)));
    this.#onEnd();
    return (rowCount ?? 0) > 0;
  }

  /** Ends a session by the id that its own token names. */
  async endById(id: string): Promise<void> {
    await this.#db.delete(sessions).where(eq(sessions.id, id));
    this.#onEnd();
  }

  /**
   * Ends all sessions of a person, or all but one, in a transaction that does more; returns how
   * many.
   */
  async endAll(
    userId: string,
    { exceptId, also }: { exceptId?: string | undefined; also: (tx: Executor) => Promise<void> },
  ): Promise<number> {
    const others = exceptId === undefined ? undefined : ne(sessions.id, exceptId);
    const { rowCount } = await this.#db.transaction(async (tx) => {
      const deleted = await tx.delete(sessions).where(and(eq(sessions.user_id, userId), others));
      await also(tx);
      return deleted;
    });
    this.#onEnd();
    return rowCount ?? 0;
  }

  /** Deletes some of the sessions that expired; returns how many. */
  async prune(maxRows: number): Promise<number> {
    const expired = sql`array(select id from sessions where expires_at < now()
      or used_at < now() - make_interval(secs => ${this.#times.idleMs / 1000}) limit ${maxRows})`;
    const { rowCount } = await this.#db.delete(sessions).where(sql`${sessions.id} = any(${expired})`);
    return rowCount ?? 0;
  }

  async #insert(
    tx: Executor,
    { user_id, method, address, user_agent }: NewLogin,
    kind: { kind: "browser"; secret_hash: string } | { kind: "program" },
  ): Promise<SessionRow> {
    const [row] = await tx
      .insert(sessions)
      .values({
        id: randomUUID(),
        user_id,
        method,
        address,
        user_agent: user_agent.slice(0, maxUserAgentLength),
        expires_at: sql`now() + make_interval(secs => ${this.#times.maxMs / 1000})`,
        ...kind,
      })
      .returning();
    return row!;
  }

  async #find(column: "id" | "secret_hash", key: string): Promise<SessionRow | undefined> {
    const [found] = await selectSession(this.#db, { key, idle_s: this.#times.idleMs / 1000 }, column);
    if (!found) return undefined;
    const { id } = found.session;
    if (found.isUseOld)
      await this.#db
        .update(sessions)
        .set({ used_at: sql`now()` })
        .where(eq(sessions.id, id));
    return found.session;
  }

  /** Returns the session with its next generation, or undefined if it has ended or ends now. */
  async #replaceToken(
    tx: Executor,
    { session_id, generation }: { session_id: string; generation: number },
  ): Promise<SessionRow | undefined> {
    const isRetryTime = sql<boolean>`coalesce(${sessions.replaced_at} > now() - make_interval(secs => ${retryMs / 1000}), false)`;
    const [locked] = await tx
      .select({ session: sessions, isRetryTime })
      .from(sessions)
      .where(and(eq(sessions.id, session_id), this.#isAlive()))
      .for("update");
    if (!locked) return undefined;
    const { session, isRetryTime: isRetry } = locked;
    if (generation === session.generation - 1 && isRetry) return session;
    if (generation !== session.generation) {
      await tx.delete(sessions).where(eq(sessions.id, session_id));
      return undefined;
    }
    const [row] = await tx
      .update(sessions)
      .set({ generation: generation + 1, replaced_at: sql`now()`, used_at: sql`now()` })
      .where(eq(sessions.id, session_id))
      .returning();
    return row;
  }

  #formatToken({ id, generation }: SessionRow): string {
    return formatRefreshToken(this.#refreshKey, { session_id: id, generation });
  }

  #isAlive(): SQL {
    return isAlive(this.#times.idleMs / 1000);
  }
}

const isAlive = (idleSeconds: number | Placeholder): SQL =>
  sql`${sessions.expires_at} > now() and ${sessions.used_at} > now() - make_interval(secs => ${idleSeconds})`;

const selectSession = buildOnce(["key", "idle_s"], (db, { key, idle_s }, column: "id" | "secret_hash") =>
  db
    .select({
      session: sessions,
      isUseOld: sql<boolean>`${sessions.used_at} < now() - make_interval(secs => ${useIntervalMs / 1000})`,
    })
    .from(sessions)
    .where(and(eq(sessions[column], key), isAlive(idle_s))),
);
