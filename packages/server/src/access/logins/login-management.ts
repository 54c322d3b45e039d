import { WharfError } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { type Database, schema } from "../../store/index.ts";
import type { CreatedLink, Links, PersonTarget } from "../links/links.ts";
import type { Caller } from "../scope.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { type AccountRow, getAccount, requireManagedAccount } from "./accounts.ts";

const { users } = schema;

type LinkPurpose = PersonTarget["kind"];
type CreatedPersonLink = CreatedLink & { readonly account: Pick<AccountRow, "id" | "email" | "username"> };

/** What people do about their own logins, and admins about those of members. */
export class LoginManagement {
  readonly #db: Database;
  readonly #sessions: Sessions;
  readonly #links: Links;

  constructor({ db, sessions, links }: { db: Database; sessions: Sessions; links: Links }) {
    this.#db = db;
    this.#sessions = sessions;
    this.#links = links;
  }

  async createOwnLink({ user_id }: Caller, kind: LinkPurpose): Promise<CreatedPersonLink> {
    const account = await getAccount(this.#db, user_id);
    return { ...(await this.#links.create({ kind, user_id }, { createdBy: user_id })), account };
  }

  async createUserLink(caller: Caller, name: string, kind: LinkPurpose): Promise<CreatedPersonLink> {
    const account = await requireManagedAccount(this.#db, caller, name);
    return { ...(await this.#links.create({ kind, user_id: account.id }, { createdBy: caller.user_id })), account };
  }

  /** Ends all logins of a member, and revokes the links with which they could log in again. */
  async endUserSessions(caller: Caller, name: string): Promise<number> {
    const { id } = await requireManagedAccount(this.#db, caller, name);
    return this.#sessions.endAll(id, { also: (tx) => this.#links.revokeAll(tx, id) });
  }

  async endOtherSessions(userId: string, sessionId: string | undefined): Promise<number> {
    return this.#sessions.endAll(userId, {
      exceptId: sessionId,
      also: (tx) => this.#links.revokeAll(tx, userId),
    });
  }

  /** Returns the name of the account under which a page logs in. */
  async getName(userId: string): Promise<string> {
    return (await this.getAccount(userId)).username;
  }

  getAccount(userId: string): Promise<AccountRow> {
    return getAccount(this.#db, userId);
  }

  async getLastLogin(userId: string): Promise<Date | null> {
    const [row] = await this.#db.select({ at: users.last_login_at }).from(users).where(eq(users.id, userId));
    if (!row) throw new WharfError("unauthenticated", {});
    return row.at;
  }
}
