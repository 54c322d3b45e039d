import { getHash } from "../../../std/hash.ts";

/**
 * Detects whether an object still matches what Wharf requested, regardless of what the cluster
 * added to it.
 */
export const getDigest = (desired: unknown): string => getHash(JSON.stringify(desired)).slice(0, 16);
