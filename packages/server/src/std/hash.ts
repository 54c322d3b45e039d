import { createHash } from "node:crypto";

/** Returns the SHA-256 of a text in hexadecimal; callers shorten it for use in names. */
export const getHash = (text: string): string => createHash("sha256").update(text).digest("hex");
