import { createHash } from "node:crypto";

/**
 * Detects whether an object still matches what Wharf requested, regardless of what the cluster
 * added to it.
 */
export const getDigest = (desired: unknown): string =>
  createHash("sha256").update(JSON.stringify(desired)).digest("hex").slice(0, 16);
