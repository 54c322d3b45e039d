/** Where a secret comes from. */
export type SecretPlace =
  | { readonly kind: "environment"; readonly name: string; readonly value: string | undefined }
  | { readonly kind: "file"; readonly path: string }
  | CommandPlace;

export interface CommandPlace {
  readonly kind: "command";
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The output is used no longer than this. */
  readonly ttlMs: number;
}

/** Reads a secret that may change while the server runs. Only throws a {@link SecretError}. */
export interface SecretSource {
  /** Returns the secret, and reads it again if it may have changed. */
  get(): Promise<string>;
  /** Returns a newer secret if there is one, after a host refused `refused`. */
  renew(refused: string): Promise<string | undefined>;
}

/**
 * The secret cannot be read. An agent may read the message: it contains neither the secret nor a
 * path of the server.
 */
export class SecretError extends Error {
  override readonly name = "SecretError";
}

/** Longer than any provider's key, and than tokens that are signed documents. */
export const maxSecretBytes = 16 * 1024;

/** Returns the secret in a value, a file or an output. */
export type ParseSecret = (bytes: Buffer) => string;

/** Anything else would end a header or be refused by the HTTP client. */
const tokenPattern = /^[\x20-\x7e]+$/;

/** Parses a secret that is sent in a header, without the surrounding white space. */
export function parseToken(bytes: Buffer): string {
  requireSize(bytes);
  const token = bytes.toString("latin1").trim();
  if (token === "") throw new SecretError("it is empty");
  if (!tokenPattern.test(token)) throw new SecretError("it is not one line of letters, digits and punctuation");
  return token;
}

/** Parses a password, in which every character but the last line break counts. */
export function parsePassword(bytes: Buffer): string {
  requireSize(bytes);
  const password = bytes.toString("utf8").replace(/\r?\n$/, "");
  if (password === "") throw new SecretError("it is empty");
  if (/\p{Cc}/u.test(password)) throw new SecretError("it contains a line break or another control character");
  return password;
}

function requireSize({ length }: Buffer): void {
  if (length > maxSecretBytes) throw new SecretError(`it has more than ${maxSecretBytes / 1024} KB`);
}
