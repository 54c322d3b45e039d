import { WharfError } from "@wharf/contract";

/** Where a key comes from. Only the environment's key is part of the configuration. */
export type KeyConfig =
  | { readonly kind: "environment"; readonly name: string; readonly value: string }
  | { readonly kind: "file"; readonly path: string }
  | KeyCommandConfig;

export interface KeyCommandConfig {
  readonly kind: "command";
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** A key is used no longer than this. */
  readonly ttlMs: number;
}

/** Reads a key that may change while the server runs. Its errors never contain the key. */
export interface KeySource {
  /** Returns the key, and reads it again if it may have changed. */
  get(): Promise<string>;
  /** Returns a newer key if there is one, after a model's server refused `refusedKey`. */
  renew(refusedKey: string): Promise<string | undefined>;
}

/** Longer than any provider's key, and than tokens that are signed documents. */
export const maxKeyBytes = 16 * 1024;
/** A header's value; anything else would end the header or be refused by the HTTP client. */
const keyPattern = /^[\x21-\x7e]+$/;

/** Returns the key in a file or an output, without the surrounding white space. */
export function parseKey(bytes: Buffer, route: string): string {
  if (bytes.length > maxKeyBytes) throw createKeyError(route, `it has more than ${maxKeyBytes / 1024} KB`);
  const key = bytes.toString("latin1").trim();
  if (key === "") throw createKeyError(route, "it is empty");
  if (!keyPattern.test(key)) throw createKeyError(route, "it is not one line of letters, digits and punctuation");
  return key;
}

/** The agent can read this error: `reason` contains neither the key nor a path of the server. */
export const createKeyError = (route: string, reason: string, cause?: unknown): WharfError =>
  new WharfError("model_key_unreadable", { route, reason }, { cause });
