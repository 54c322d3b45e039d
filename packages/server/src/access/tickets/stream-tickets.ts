import { streamTicketSeconds, WharfError } from "@wharf/contract";
import { and, eq, sql } from "drizzle-orm";
import { type Database, schema } from "../../store/index.ts";
import type { Caller } from "../scope.ts";
import { createSecretText, hashSecretText } from "../secret-text.ts";

const { stream_tickets } = schema;

/** What proves the sender of a stream while it lasts: a login, a token, or the owner's token. */
export type SenderProof = { readonly session_id: string } | { readonly token_id: string } | "owner";

/** A sender keeps the proof with which a stream began: a token may expire before its login. */
export function getSenderProof({ session, token_id }: Pick<Caller, "session" | "token_id">): SenderProof {
  if (session !== undefined) return { session_id: session.id };
  return token_id === undefined ? "owner" : { token_id };
}

/** Returns the proof that a row has. */
export function toSenderProof({ session_id, token_id }: typeof stream_tickets.$inferSelect): SenderProof {
  if (session_id !== null) return { session_id };
  return token_id === null ? "owner" : { token_id };
}

/** The sender of a ticket, and the organisation in which the sender acted. */
export interface TicketHolder {
  readonly user_id: string;
  readonly organization_id: string;
  readonly proof: SenderProof;
}

const maxOpenPerUser = 1_000;

/**
 * Tickets open one stream each, for clients that cannot send a header with it, such as pages. The
 * database has their hashes, so that any server of the installation takes them. They prove no more
 * than their sender did, and end with the login or token that they were made with.
 */
export class StreamTickets {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async create(caller: Caller): Promise<string> {
    const { user_id, organization_id, session, token_id = null } = caller;
    const isOpen = and(eq(stream_tickets.user_id, user_id), sql`${stream_tickets.expires_at} > now()`);
    const open = await this.#db.$count(stream_tickets, isOpen);
    if (open >= maxOpenPerUser) throw new WharfError("rate_limited", { retry_after_s: streamTicketSeconds });
    const ticket = createSecretText();
    await this.#db.insert(stream_tickets).values({
      secret_hash: hashSecretText(ticket),
      user_id,
      organization_id,
      session_id: session?.id ?? null,
      token_id,
      expires_at: sql`now() + make_interval(secs => ${streamTicketSeconds})`,
    });
    return ticket;
  }

  /** Uses a ticket up. Of several uses at the same time, one succeeds. */
  async use(ticket: string): Promise<TicketHolder> {
    const [row] = await this.#db
      .delete(stream_tickets)
      .where(and(eq(stream_tickets.secret_hash, hashSecretText(ticket)), sql`${stream_tickets.expires_at} > now()`))
      .returning();
    if (!row) throw new WharfError("stream_ticket_invalid", {});
    const { user_id, organization_id } = row;
    return { user_id, organization_id, proof: toSenderProof(row) };
  }

  /** Deletes some of the tickets that expired; returns how many. */
  async prune(maxRows: number): Promise<number> {
    const expired = sql`array(select secret_hash from stream_tickets where expires_at < now() limit ${maxRows})`;
    const { rowCount } = await this.#db
      .delete(stream_tickets)
      .where(sql`${stream_tickets.secret_hash} = any(${expired})`);
    return rowCount ?? 0;
  }
}
