import { randomUUID } from "node:crypto";
import { type InvitationSort, WharfError } from "@wharf/contract";
import { and, desc, eq, getTableColumns, inArray, isNull, type SQL, sql } from "drizzle-orm";
import { createRowOrders, type Database, type Executor, type Page, type PageQuery, schema } from "../../store/index.ts";
import { createSecretText, hashSecretText } from "../secret-text.ts";

const { login_links, users } = schema;
const getOrder = createRowOrders(
  { created_at: [login_links.created_at, login_links.id], email: [login_links.email, login_links.id] },
  "-created_at",
);

export type LinkRow = typeof login_links.$inferSelect;
export type LinkKind = LinkRow["kind"];

export interface InvitationTarget {
  readonly kind: "invitation";
  readonly organization_id: string;
  readonly email: string;
  readonly role: "admin" | "member" | "viewer";
}

export interface PersonTarget {
  readonly kind: "login" | "password";
  readonly user_id: string;
}

/** A link of a person that still works. */
export interface OpenLinkRow {
  readonly id: string;
  readonly kind: PersonTarget["kind"];
  /** The name of its creator, unless that account is gone. */
  readonly created_by: string | null;
  readonly created_at: Date;
  readonly expires_at: Date;
}

export interface CreatedLink {
  readonly link: LinkRow;
  /** The part of the link that proves it. Only its hash is stored. */
  readonly secret: string;
}

const minuteMs = 60_000;
/** A link to log in is used at once; an invitation waits for a person to read it. */
const lifetimesMs: Readonly<Record<LinkKind, number>> = {
  login: 15 * minuteMs,
  password: 24 * 60 * minuteMs,
  invitation: 7 * 24 * 60 * minuteMs,
};

/** Links that work once, until they expire or are revoked. */
export class Links {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async create(
    target: InvitationTarget | PersonTarget,
    { createdBy, lifetimeMs = lifetimesMs[target.kind] }: { createdBy: string | undefined; lifetimeMs?: number },
  ): Promise<CreatedLink> {
    const secret = createSecretText();
    const [link] = await this.#db
      .insert(login_links)
      .values({
        id: randomUUID(),
        secret_hash: hashSecretText(secret),
        created_by: createdBy ?? null,
        expires_at: sql`now() + make_interval(secs => ${lifetimeMs / 1000})`,
        ...target,
      })
      .returning();
    return { link: link!, secret };
  }

  /** Returns a link that still works, for a page that asks what to do with it. */
  async find(secret: string, kinds: readonly LinkKind[]): Promise<LinkRow> {
    const [link] = await this.#db.select().from(login_links).where(isOpen(secret, kinds));
    if (!link) throw new WharfError("link_invalid", {});
    return link;
  }

  /** Uses a link up. The caller's transaction does what the link is for. */
  async use(tx: Executor, secret: string, kinds: readonly LinkKind[]): Promise<LinkRow> {
    const [link] = await tx
      .update(login_links)
      .set({ used_at: sql`now()` })
      .where(isOpen(secret, kinds))
      .returning();
    if (!link) throw new WharfError("link_invalid", {});
    return link;
  }

  /** Returns the newest open invitation for an address that its owner has proved. */
  async findInvitation(email: string): Promise<InvitationRow | undefined> {
    const [link] = await this.#db
      .select()
      .from(login_links)
      .where(and(eq(login_links.kind, "invitation"), eq(login_links.email, email), isUnused(), isUnexpired))
      .orderBy(desc(login_links.created_at))
      .limit(1);
    return link && requireInvitation(link);
  }

  /** Uses an invitation up whose address the person has proved without the link. */
  async useInvitation(tx: Executor, id: string): Promise<InvitationRow> {
    const [link] = await tx
      .update(login_links)
      .set({ used_at: sql`now()` })
      .where(and(eq(login_links.id, id), eq(login_links.kind, "invitation"), isUnused(), isUnexpired))
      .returning();
    if (!link) throw new WharfError("link_invalid", {});
    return requireInvitation(link);
  }

  /** Returns the links of a person that still work, the newest first. */
  listOpen(userId: string): Promise<OpenLinkRow[]> {
    const { id, kind, created_at, expires_at } = login_links;
    return this.#db
      .select({ id, kind: sql<PersonTarget["kind"]>`${kind}`, created_by: users.username, created_at, expires_at })
      .from(login_links)
      .leftJoin(users, eq(users.id, login_links.created_by))
      .where(and(eq(login_links.user_id, userId), isUnused(), isUnexpired))
      .orderBy(desc(created_at), desc(id));
  }

  /** Revokes one link of a person that still works. */
  async revoke(userId: string, id: string): Promise<void> {
    const { rowCount } = await this.#db
      .update(login_links)
      .set({ revoked_at: sql`now()` })
      .where(and(eq(login_links.id, id), eq(login_links.user_id, userId), isUnused(), isUnexpired));
    if (rowCount === 0) throw new WharfError("login_link_not_found", { id });
  }

  /** Revokes the links of a person that still work. */
  async revokeAll(tx: Executor, userId: string): Promise<void> {
    await tx
      .update(login_links)
      .set({ revoked_at: sql`now()` })
      .where(and(eq(login_links.user_id, userId), isUnused()));
  }

  /** Returns an organisation's invitations that are still open or expired, in pages. */
  async listInvitations(
    organizationId: string,
    page: PageQuery & { sort?: InvitationSort | undefined },
  ): Promise<Page<LinkRow>> {
    const order = getOrder(page.sort);
    const isListed = and(
      eq(login_links.organization_id, organizationId),
      eq(login_links.kind, "invitation"),
      isUnused(),
      order.isAfter(page.cursor),
    );
    const rows = await this.#db
      .select({ ...getTableColumns(login_links), position: order.position })
      .from(login_links)
      .where(isListed)
      .orderBy(...order.columns)
      .limit(page.limit + 1)
      .offset(page.offset ?? 0);
    return order.toPage(rows, page.limit);
  }

  async revokeInvitation(organizationId: string, id: string): Promise<void> {
    const { rowCount } = await this.#db
      .update(login_links)
      .set({ revoked_at: sql`now()` })
      .where(and(eq(login_links.id, id), eq(login_links.organization_id, organizationId), isUnused()));
    if (rowCount === 0) throw new WharfError("invitation_not_found", { id });
  }

  /** Deletes some of the links that expired long ago; returns how many. */
  async prune(maxRows: number): Promise<number> {
    const old = sql`array(select id from login_links where expires_at < now() - interval '30 days' limit ${maxRows})`;
    const { rowCount } = await this.#db.delete(login_links).where(sql`${login_links.id} = any(${old})`);
    return rowCount ?? 0;
  }
}

type InvitationRow = LinkRow & InvitationTarget;

/** The table's check guarantees these columns, which the row's type cannot show. */
export function requireInvitation(link: LinkRow): InvitationRow {
  const { email, kind, organization_id, role } = link;
  if (kind !== "invitation" || email === null || organization_id === null || role === null)
    throw new WharfError("link_invalid", {});
  return { ...link, kind, email, organization_id, role };
}

const isUnexpired = sql`${login_links.expires_at} > now()`;
const isUnused = (): SQL | undefined => and(isNull(login_links.used_at), isNull(login_links.revoked_at));

const isOpen = (secret: string, kinds: readonly LinkKind[]): SQL | undefined =>
  and(
    eq(login_links.secret_hash, hashSecretText(secret)),
    inArray(login_links.kind, [...kinds]),
    isUnused(),
    isUnexpired,
  );
