import { createHmac } from "node:crypto";
import { WharfError } from "@wharf/contract";
import { and, eq, sql } from "drizzle-orm";
import { type Database, schema } from "../../store/index.ts";
import type { Caller } from "../scope.ts";
import { deriveKey } from "../secret-text.ts";
import { toSenderProof, type TicketHolder } from "./stream-tickets.ts";

const { stream_tickets } = schema;

export const previewSeconds = 12 * 3_600;
const maxPerUser = 100;
/** A row that lasts longer than a ticket is a link. */
const isLink = sql`${stream_tickets.expires_at} > now() + interval '1 minute'`;

/** Who created a link, and until when it leads to its port. */
export interface PreviewHolder extends TicketHolder {
  readonly expires_at: Date;
}

/**
 * Links to ports of runners. A link is a host name that only its holder knows; any number of
 * requests may use it until it expires. The table of the tickets has it under a keyed hash: any
 * server of the installation accepts it, it opens no stream as a ticket does, and it ends with the
 * login or token of its creator.
 */
export class PreviewLinks {
  readonly #db: Database;
  readonly #key: Buffer;
  readonly #onEnd: () => void;

  /** `onEnd` tells all servers that a link has ended. */
  constructor(db: Database, { secret, onEnd }: { readonly secret: string; readonly onEnd: () => void }) {
    this.#db = db;
    this.#key = deriveKey(secret, "previews");
    this.#onEnd = onEnd;
  }

  async create(caller: Caller, name: string): Promise<{ readonly id: string; readonly expires_at: Date }> {
    const { user_id, organization_id, session, token_id = null } = caller;
    const count = await this.#db.$count(stream_tickets, and(eq(stream_tickets.user_id, user_id), isLink));
    if (count >= maxPerUser) throw new WharfError("too_many_previews", { limit: maxPerUser });
    const [row] = await this.#db
      .insert(stream_tickets)
      .values({
        secret_hash: this.#hash(name),
        user_id,
        organization_id,
        session_id: session?.id ?? null,
        token_id,
        expires_at: sql`now() + make_interval(secs => ${previewSeconds})`,
      })
      .returning({ id: stream_tickets.secret_hash, expires_at: stream_tickets.expires_at });
    if (!row) throw new Error("the database did not return the inserted link");
    return row;
  }

  async find(name: string): Promise<PreviewHolder> {
    const [row] = await this.#db
      .select()
      .from(stream_tickets)
      .where(and(eq(stream_tickets.secret_hash, this.#hash(name)), sql`${stream_tickets.expires_at} > now()`));
    if (!row) throw new WharfError("preview_not_found", {});
    const { user_id, organization_id, expires_at } = row;
    return { user_id, organization_id, expires_at, proof: toSenderProof(row) };
  }

  /** Ends a link of the caller. */
  async delete({ user_id }: Pick<Caller, "user_id">, id: string): Promise<void> {
    const { rowCount } = await this.#db
      .delete(stream_tickets)
      .where(and(eq(stream_tickets.secret_hash, id), eq(stream_tickets.user_id, user_id)));
    if (rowCount === 0) throw new WharfError("preview_not_found", {});
    this.#onEnd();
  }

  #hash(name: string): string {
    return createHmac("sha256", this.#key).update(name).digest("base64url");
  }
}
