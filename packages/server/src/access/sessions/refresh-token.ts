import { createHmac, timingSafeEqual } from "node:crypto";

/** A session and how often its refresh token had been replaced when this one was issued. */
export interface RefreshClaim {
  readonly session_id: string;
  readonly generation: number;
}

const prefix = "wharf_refresh_";
const idBytes = 16;
const generationBytes = 4;
const macBytes = 32;
const tokenForm = new RegExp(`^${prefix}([\\w-]{${Math.ceil(((idBytes + generationBytes + macBytes) * 4) / 3)}})$`);

/**
 * Formats the refresh token of a session's generation. The token is computed from the key, so the
 * database holds none, and a token that was replaced can still be recognised.
 */
export function formatRefreshToken(key: Buffer, { session_id, generation }: RefreshClaim): string {
  const counter = Buffer.alloc(generationBytes);
  counter.writeUInt32BE(generation);
  const claim = Buffer.concat([parseUuid(session_id), counter]);
  return prefix + Buffer.concat([claim, computeMac(key, claim)]).toString("base64url");
}

/** Returns what a token claims if this server's key issued it. */
export function parseRefreshToken(key: Buffer, token: string): RefreshClaim | undefined {
  const bytes = Buffer.from(tokenForm.exec(token)?.[1] ?? "", "base64url");
  if (bytes.length !== idBytes + generationBytes + macBytes) return undefined;
  const claim = bytes.subarray(0, idBytes + generationBytes);
  if (!timingSafeEqual(computeMac(key, claim), bytes.subarray(claim.length))) return undefined;
  return { session_id: formatUuid(claim.subarray(0, idBytes)), generation: claim.readUInt32BE(idBytes) };
}

const computeMac = (key: Buffer, claim: Buffer): Buffer => createHmac("sha256", key).update(claim).digest();

const parseUuid = (id: string): Buffer => Buffer.from(id.replaceAll("-", ""), "hex");

const formatUuid = (bytes: Buffer): string =>
  bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
