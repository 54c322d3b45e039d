import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { getErrorCode } from "../../std/errors.ts";
import { maxSecretBytes, type ParseSecret, SecretError, type SecretSource } from "./secret-source.ts";

/** How long a change of the file may remain unnoticed. */
const defaultCheckIntervalMs = 2_000;
/** A file system of another machine may hang. */
const readTimeoutMs = 5_000;

interface ReadSecret {
  readonly value: string;
  readonly version: string;
}

/** Reads a secret from a file, and again after the file has changed or was replaced. */
export class SecretFile implements SecretSource {
  readonly #path: string;
  readonly #parse: ParseSecret;
  readonly #checkIntervalMs: number;
  #current: ReadSecret | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<string> | undefined;

  constructor(
    { path, checkIntervalMs = defaultCheckIntervalMs }: { path: string; checkIntervalMs?: number },
    parse: ParseSecret,
  ) {
    this.#path = path;
    this.#parse = parse;
    this.#checkIntervalMs = checkIntervalMs;
  }

  async get(): Promise<string> {
    const isRecent = performance.now() - this.#checkedAt < this.#checkIntervalMs;
    return this.#current && isRecent ? this.#current.value : this.#read();
  }

  async renew(refused: string): Promise<string | undefined> {
    const value = await this.#read();
    return value === refused ? undefined : value;
  }

  #read(): Promise<string> {
    this.#reading ??= this.#readInTime().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #readInTime(): Promise<string> {
    const { promise: expiry, reject } = Promise.withResolvers<never>();
    const error = new SecretError(`its file cannot be read within ${readTimeoutMs / 1000} s`);
    const timer = setTimeout(() => reject(error), readTimeoutMs);
    try {
      this.#current = await Promise.race([this.#load(), expiry]);
      this.#checkedAt = performance.now();
      return this.#current.value;
    } catch (error) {
      this.#current = undefined;
      if (error instanceof SecretError) throw error;
      throw new SecretError(describeFileError(error), { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  async #load(): Promise<ReadSecret> {
    // Opening a pipe without a writer would wait for one.
    await using file = await open(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (!stats.isFile()) throw new SecretError("its path is not a file");
    const version = [stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join(":");
    if (this.#current?.version === version) return this.#current;
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(maxSecretBytes + 1) });
    return { value: this.#parse(buffer.subarray(0, bytesRead)), version };
  }
}

function describeFileError(error: unknown): string {
  const code = getErrorCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") return "its file does not exist";
  if (code === "EACCES" || code === "EPERM") return "the server's user may not read its file";
  return `its file cannot be read (${code ?? "unknown error"})`;
}
