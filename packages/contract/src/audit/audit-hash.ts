import { createHash } from "node:crypto";

/** An entry as it is hashed: its content as JSON text, its time with milliseconds in UTC. */
export interface HashedEntry {
  readonly sequence: number;
  readonly at: string;
  readonly content: string;
  readonly hash: string;
}

/** The hash before the first entry of a chain. */
export const emptyHash = "0".repeat(64);

export const computeAuditHash = (previousHash: string, { sequence, at, content }: Omit<HashedEntry, "hash">): string =>
  createHash("sha256").update(`${previousHash}\n${sequence}\n${at}\n${content}`).digest("hex");
