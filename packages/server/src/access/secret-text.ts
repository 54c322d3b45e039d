import { createHash, createHmac, randomBytes } from "node:crypto";

/** Creates a secret that cannot be guessed, so that a plain hash of it is enough to store. */
export const createSecretText = (): string => randomBytes(32).toString("base64url");

export const hashSecretText = (secret: string): string => createHash("sha256").update(secret).digest("base64url");

/** Derives a key for one purpose from the server's secret. */
export const deriveKey = (secret: string, purpose: string): Buffer =>
  createHmac("sha256", secret).update(purpose).digest();
