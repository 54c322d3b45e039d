import { generateKeyPairSync, randomBytes } from "node:crypto";

/**
 * Canaries are the keys that a server uses for its runners, and that must not be anywhere else.
 * Each contains the mark, which is new in each run: a search does not find what an earlier run
 * planted.
 */
const mark = `canary${randomBytes(8).toString("hex")}`;

export const createCanary = (name: string): string => `${name}-${mark}-${randomBytes(8).toString("hex")}`;

/** A regular expression that matches the mark and does not contain it. */
export const markExpression = `${mark.slice(0, -1)}[${mark.slice(-1)}]`;

/** The key of a GitHub App, whose format has no place for a mark. */
export const { privateKey: appKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});

const bitsPerByte = 8;
const bitsPerCharacter = 6;

/** Returns the characters of base64 that the text alone determines, after `offset` other bytes. */
function toBase64(text: string, offset: number): string {
  const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(text)]);
  const first = Math.ceil((offset * bitsPerByte) / bitsPerCharacter);
  const last = Math.floor((bytes.length * bitsPerByte) / bitsPerCharacter);
  return bytes.toString("base64").slice(first, last);
}

/**
 * What a search looks for: the mark as it is, in hex, and in base64 at each offset that a
 * surrounding text gives it, such as the user name of a login.
 */
export const patterns: readonly string[] = [
  mark,
  Buffer.from(mark).toString("hex"),
  ...[0, 1, 2].map((offset) => toBase64(mark, offset)),
  appKey.split("\n")[1] ?? "",
];
