import { hash, randomInt } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * The form of a personal access token: `wharf_pat_`, 36 random letters and digits, and a checksum
 * of six. People and scanners recognise it, and a mistyped one is refused without a query.
 */
const prefix = "wharf_pat_";
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const randomLength = 36;
const checksumLength = 6;
const form = new RegExp(`^${prefix}([0-9A-Za-z]{${randomLength}})([0-9A-Za-z]{${checksumLength}})$`);

export function generateAccessToken(): string {
  const random = Array.from({ length: randomLength }, () => alphabet[randomInt(alphabet.length)]).join("");
  return `${prefix}${random}${formatChecksum(random)}`;
}

/** Whether a text has the form of a token, with the right checksum. */
export function isAccessToken(text: string): boolean {
  const [, random = "", checksum] = form.exec(text) ?? [];
  return checksum !== undefined && formatChecksum(random) === checksum;
}

/** The token is random and long, so that a plain hash cannot be reversed. */
export const hashAccessToken = (token: string): string => hash("sha256", token, "hex");

/** Returns the end of a token, which identifies it to people and reveals little. */
export const getTokenHint = (token: string): string => token.slice(-4);

function formatChecksum(text: string): string {
  let rest = crc32(text);
  let digits = "";
  for (let i = 0; i < checksumLength; i++) {
    digits = `${alphabet[rest % alphabet.length]}${digits}`;
    rest = Math.floor(rest / alphabet.length);
  }
  return digits;
}
