import { createHash } from "node:crypto";

/** Tells whether an object is still what was asked for, whatever the cluster added to it. */
export const getDigest = (desired: unknown): string =>
  createHash("sha256").update(JSON.stringify(desired)).digest("hex").slice(0, 16);
