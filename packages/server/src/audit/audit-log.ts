import { setTimeout as sleep } from "node:timers/promises";
import { type AuditAnchor, WharfError } from "@wharf/contract";
import { emptyHash } from "@wharf/contract/audit";
import type { Logger } from "pino";
import { BatchWriter } from "../std/batch-writer.ts";
import { resolveWithin } from "../std/resolve-within.ts";
import { type Database, isDatabaseUnavailable } from "../store/index.ts";
import { appendEntries } from "./append-entries.ts";
import { type AuditRecord, formatContent } from "./audit-record.ts";
import { findPruneEnd, moveChainStart, removePrunedEntries } from "./prune-entries.ts";
import { readChainEnds } from "./read-chain-ends.ts";
import { RepeatedActs } from "./repeated-acts.ts";

export interface AuditLogOptions {
  readonly db: Database;
  readonly serverId: string;
  readonly logger: Logger;
  /** Removes the secrets that the server knows. */
  readonly redact: (text: string) => string;
  /** Entries that may wait for the database. @default 1_000 */
  readonly maxWaiting?: number;
  /** How long the answer to an act waits for its entry. @default 10_000 */
  readonly maxWaitMs?: number;
  /** How long acts that repeat are counted before they are written. @default 60_000 */
  readonly countMs?: number;
  /** How long uses of a credential are counted before they are written. @default 3_600_000 */
  readonly useCountMs?: number;
}

export interface CredentialUseRecord extends Pick<AuditRecord, "organization_id" | "actor" | "details"> {
  readonly credential: { readonly kind: "model_route" | "registry" | "git_login"; readonly name: string };
}

/** Writers of one chain wait for each other anyway. */
const maxBatches = 1;
const maxBatchItems = 200;
/** The part of the queue that counted acts may fill, so that others have room. */
const countedShare = 0.5;
const emptyStart = { sequence: 0, hash: emptyHash };
const maxRetryDelayMs = 1_000;
/** How long the end of the server waits for entries that are not written yet. */
const maxCloseMs = 5_000;

/**
 * Writes the audit log. An entry is in the database before the answer to its act is sent. While the
 * database does not answer, entries wait in memory and are written later; when too many wait, acts
 * are refused before they begin.
 */
export class AuditLog implements AsyncDisposable {
  readonly #options: Required<AuditLogOptions>;
  readonly #writer: BatchWriter<string, undefined>;
  readonly #closing = new AbortController();
  readonly #waiting = new Set<Promise<void>>();
  readonly #repeatedActs: RepeatedActs;
  readonly #credentialUses: RepeatedActs;

  constructor(options: AuditLogOptions) {
    this.#options = { maxWaiting: 1_000, maxWaitMs: 10_000, countMs: 60_000, useCountMs: 3_600_000, ...options };
    this.#writer = new BatchWriter({
      maxItems: maxBatchItems,
      maxBatches,
      write: async (contents) => {
        await appendEntries(options.db, contents);
        return contents.map(() => undefined);
      },
    });
    const counting = {
      write: (record: AuditRecord) => void this.#write(record).catch(() => undefined),
      canWrite: () => this.#hasRoom(countedShare),
    };
    this.#repeatedActs = new RepeatedActs({ ...counting, countMs: this.#options.countMs });
    this.#credentialUses = new RepeatedActs({ ...counting, countMs: this.#options.useCountMs });
  }

  /** Refuses an act that could not be recorded. */
  requireRoom(): void {
    if (!this.#hasRoom()) throw new WharfError("audit_unavailable", {});
  }

  /** Resolves when the entry is in the database. After an error it may still be written. */
  async record(record: AuditRecord): Promise<void> {
    try {
      await resolveWithin(this.#write(record), this.#options.maxWaitMs);
    } catch (cause) {
      throw new WharfError("audit_unavailable", {}, { cause });
    }
  }

  /**
   * Records an act of which there may be any number, such as refused requests: the first one is an
   * entry, and those that follow within the next minute are another one with their number.
   */
  count(record: AuditRecord): void {
    this.#repeatedActs.add(record);
  }

  /**
   * Records that the server used a credential for an actor: the first use, and once an hour how
   * often it was used since.
   */
  countCredentialUse({ organization_id, actor, credential, details }: CredentialUseRecord): void {
    this.#credentialUses.add({
      ...(organization_id !== undefined && { organization_id }),
      actor,
      action: "useCredential",
      target: { kind: credential.kind, id: credential.name },
      result: "ok",
      ...(details && { details }),
    });
  }

  /**
   * Removes the entries before a time, and records that in the same transaction. The record gets
   * the last removed entry as details, with which a verification begins.
   */
  async prune(before: string, record: AuditRecord): Promise<{ removed: number; start: AuditAnchor }> {
    const { db, serverId, redact } = this.#options;
    const end = await findPruneEnd(db, before);
    if (end) {
      const details = { ...record.details, before, last_sequence: end.sequence, last_hash: end.hash };
      await moveChainStart(db, end, formatContent({ ...record, details }, serverId, redact));
    }
    return { removed: await removePrunedEntries(db), start: (await readChainEnds(db))?.start ?? emptyStart };
  }

  #hasRoom(share = 1): boolean {
    return this.#waiting.size < this.#options.maxWaiting * share && !this.#closing.signal.aborted;
  }

  #write(record: AuditRecord): Promise<void> {
    const { serverId, redact } = this.#options;
    const written = this.#append(formatContent(record, serverId, redact)).finally(() => this.#waiting.delete(written));
    this.#waiting.add(written);
    return written;
  }

  /** Repeats the statement until the database answers. */
  async #append(content: string): Promise<void> {
    const { logger } = this.#options;
    for (let delayMs = 20; ; delayMs = Math.min(delayMs * 2, maxRetryDelayMs)) {
      try {
        return await this.#writer.add(content);
      } catch (error) {
        if (this.#closing.signal.aborted || !isDatabaseUnavailable(error)) {
          logger.error({ error, entry: content }, "could not write an entry of the audit log");
          throw error;
        }
        await sleep(delayMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      }
    }
  }

  /** Writes what waits, for a limited time. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#repeatedActs.close();
    this.#credentialUses.close();
    const timer = setTimeout(() => this.#closing.abort(), maxCloseMs);
    await Promise.allSettled(this.#waiting);
    clearTimeout(timer);
  }
}
