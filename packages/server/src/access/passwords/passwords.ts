import { randomBytes } from "node:crypto";
import { WharfError } from "@wharf/contract";
import { hashPassword, matchesPassword } from "./password-hash.ts";

/** Each hash takes 19 MiB and a thread for its time. */
const defaultMaxConcurrent = 2;
/** Further passwords are refused at once: their turn would come after people stopped waiting. */
const defaultMaxWaiting = 64;
const retryAfterSeconds = 5;

/**
 * Hashes and compares passwords, a few at a time, so that many logins at once take neither the
 * memory nor the threads from the rest of the server.
 */
export class Passwords {
  readonly #maxConcurrent: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #decoy: Promise<string> | undefined;

  constructor({ maxConcurrent = defaultMaxConcurrent, maxWaiting = defaultMaxWaiting } = {}) {
    this.#maxConcurrent = maxConcurrent;
    this.#maxWaiting = maxWaiting;
  }

  hash(password: string): Promise<string> {
    return this.#runInTurn(() => hashPassword(password));
  }

  /**
   * Whether the password is the one of the hash. Without a hash, the same work is done for the
   * answer no: otherwise the time would show which accounts exist.
   */
  async matches(password: string, hash: string | null | undefined): Promise<boolean> {
    const decoy = await this.#getDecoy();
    const isMatch = await this.#runInTurn(() => matchesPassword(password, hash ?? decoy));
    return isMatch && typeof hash === "string";
  }

  /** Returns the hash of a password that no person has. */
  #getDecoy(): Promise<string> {
    return (this.#decoy ??= hashPassword(randomBytes(32).toString("base64url")));
  }

  async #runInTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#maxConcurrent) {
      if (this.#waiting.length >= this.#maxWaiting)
        throw new WharfError("rate_limited", { retry_after_s: retryAfterSeconds });
      const turn = Promise.withResolvers<void>();
      this.#waiting.push(turn.resolve);
      // The work that ends passes its place on.
      await turn.promise;
    } else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
