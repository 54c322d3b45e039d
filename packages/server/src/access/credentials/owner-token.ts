import { createHash, timingSafeEqual } from "node:crypto";

const getDigest = (text: string) => createHash("sha256").update(text).digest();

/** Compares two tokens without revealing by its timing where they differ. */
export const isSameToken = (presentedToken: string, real: string): boolean =>
  timingSafeEqual(getDigest(presentedToken), getDigest(real));
