import { hash, timingSafeEqual } from "node:crypto";

const getDigest = (text: string) => hash("sha256", text, "buffer");

/** Compares two tokens without revealing by its timing where they differ. */
export const isSameToken = (presentedToken: string, real: string): boolean =>
  timingSafeEqual(getDigest(presentedToken), getDigest(real));
