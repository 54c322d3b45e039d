import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { WharfError } from "@wharf/contract";
import { getErrorCode } from "../../../std/errors.ts";
import { createKeyError, type KeySource, maxKeyBytes, parseKey } from "./key-source.ts";

/** How long a change of the file may remain unnoticed. */
const defaultCheckIntervalMs = 2_000;
/** A file system of another machine may hang. */
const readTimeoutMs = 5_000;

interface ReadKey {
  readonly key: string;
  readonly version: string;
}

/** Reads a key from a file, and again after the file has changed or another one took its place. */
export class KeyFile implements KeySource {
  readonly #path: string;
  readonly #route: string;
  readonly #checkIntervalMs: number;
  #current: ReadKey | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<string> | undefined;

  constructor(
    { path, checkIntervalMs = defaultCheckIntervalMs }: { path: string; checkIntervalMs?: number },
    route: string,
  ) {
    this.#path = path;
    this.#route = route;
    this.#checkIntervalMs = checkIntervalMs;
  }

  async get(): Promise<string> {
    const isRecent = performance.now() - this.#checkedAt < this.#checkIntervalMs;
    return this.#current && isRecent ? this.#current.key : this.#read();
  }

  async renew(refusedKey: string): Promise<string | undefined> {
    const key = await this.#read();
    return key === refusedKey ? undefined : key;
  }

  #read(): Promise<string> {
    this.#reading ??= this.#readInTime().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #readInTime(): Promise<string> {
    const { promise: expiry, reject } = Promise.withResolvers<never>();
    const error = createKeyError(this.#route, `its file cannot be read within ${readTimeoutMs / 1000} s`);
    const timer = setTimeout(() => reject(error), readTimeoutMs);
    try {
      this.#current = await Promise.race([this.#load(), expiry]);
      this.#checkedAt = performance.now();
      return this.#current.key;
    } catch (error) {
      this.#current = undefined;
      if (error instanceof WharfError) throw error;
      throw createKeyError(this.#route, describeFileError(error), error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #load(): Promise<ReadKey> {
    // Opening a pipe without a writer would wait for one.
    await using file = await open(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (!stats.isFile()) throw createKeyError(this.#route, "its path is not a file");
    const version = [stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join(":");
    if (this.#current?.version === version) return this.#current;
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(maxKeyBytes + 1) });
    return { key: parseKey(buffer.subarray(0, bytesRead), this.#route), version };
  }
}

function describeFileError(error: unknown): string {
  const code = getErrorCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") return "its file does not exist";
  if (code === "EACCES" || code === "EPERM") return "the server's user may not read its file";
  return `its file cannot be read (${code ?? "unknown error"})`;
}
