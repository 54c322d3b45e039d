import { WharfError } from "@wharf/contract";
import { createKeyError, type KeyCommandConfig, type KeySource, parseKey } from "./key-source.ts";
import { runKeyProgram } from "./run-key-program.ts";

/** Part of the time to live after which a new key is fetched while the current one is used. */
const freshPart = 0.8;
/**
 * Least time between two runs after a failure or a refused key, because an agent decides how often
 * the key is needed.
 */
const defaultRestMs = 10_000;

interface FetchedKey {
  readonly key: string;
  readonly fetchedAt: number;
}

/**
 * Reads a key from the output of a command.
 *
 *   fresh ── most of the time to live is over ─► stale: used, while the command runs again
 *   stale ── the time to live is over ─────────► none: requests wait for the command
 *
 * The command never runs twice at the same time. After a failure the same error is returned for a
 * while, without running the command.
 */
export class KeyCommand implements KeySource {
  readonly #config: KeyCommandConfig;
  readonly #route: string;
  readonly #restMs: number;
  #current: FetchedKey | undefined;
  #failure: { readonly error: WharfError; readonly at: number } | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<string> | undefined;

  constructor(config: KeyCommandConfig & { readonly restMs?: number }, route: string) {
    this.#config = config;
    this.#route = route;
    this.#restMs = config.restMs ?? defaultRestMs;
  }

  async get(): Promise<string> {
    const { ttlMs } = this.#config;
    const ageMs = this.#current ? performance.now() - this.#current.fetchedAt : Number.POSITIVE_INFINITY;
    if (this.#current && ageMs < ttlMs) {
      // A failure is kept for the time when the key is over.
      if (ageMs > ttlMs * freshPart && !this.#isResting()) this.#run().catch(() => undefined);
      return this.#current.key;
    }
    this.#current = undefined;
    if (this.#failure && performance.now() - this.#failure.at < this.#restMs) throw this.#failure.error;
    return this.#run();
  }

  async renew(refusedKey: string): Promise<string | undefined> {
    if (this.#current && this.#current.key !== refusedKey) return this.#current.key;
    if (!this.#running && this.#isResting()) return undefined;
    const key = await this.#run();
    return key === refusedKey ? undefined : key;
  }

  #isResting(): boolean {
    return performance.now() - this.#startedAt < this.#restMs;
  }

  #run(): Promise<string> {
    this.#running ??= this.#fetch().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #fetch(): Promise<string> {
    const fetchedAt = (this.#startedAt = performance.now());
    try {
      const key = parseKey(await runKeyProgram(this.#config, this.#route), this.#route);
      this.#current = { key, fetchedAt };
      this.#failure = undefined;
      return key;
    } catch (error) {
      const reported = error instanceof WharfError ? error : createKeyError(this.#route, "its command failed", error);
      this.#failure = { error: reported, at: performance.now() };
      throw reported;
    }
  }
}
