import { runProgram } from "./run-program.ts";
import { type CommandPlace, type ParseSecret, SecretError, type SecretSource } from "./secret-source.ts";

/** Part of the time to live after which a new secret is fetched while the current one is used. */
const freshPart = 0.8;
/**
 * Least time between two runs after a failure or a refused secret, because an agent decides how
 * often the secret is needed.
 */
const defaultRestMs = 10_000;

interface FetchedSecret {
  readonly value: string;
  readonly fetchedAt: number;
}

/**
 * Reads a secret from the output of a command.
 *
 *   fresh ── most of the time to live is over ─► stale: used, while the command runs again
 *   stale ── the time to live is over ─────────► none: requests wait for the command
 *
 * The command never runs twice at the same time. After a failure the same error is returned for a
 * while, without running the command.
 */
export class SecretCommand implements SecretSource {
  readonly #place: CommandPlace;
  readonly #parse: ParseSecret;
  readonly #restMs: number;
  #current: FetchedSecret | undefined;
  #failure: { readonly error: SecretError; readonly at: number } | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<string> | undefined;

  constructor(place: CommandPlace & { readonly restMs?: number }, parse: ParseSecret) {
    this.#place = place;
    this.#parse = parse;
    this.#restMs = place.restMs ?? defaultRestMs;
  }

  async get(): Promise<string> {
    const { ttlMs } = this.#place;
    const ageMs = this.#current ? performance.now() - this.#current.fetchedAt : Number.POSITIVE_INFINITY;
    if (this.#current && ageMs < ttlMs) {
      // A failure is kept for the time when the secret is over.
      if (ageMs > ttlMs * freshPart && !this.#isResting()) this.#run().catch(() => undefined);
      return this.#current.value;
    }
    this.#current = undefined;
    if (this.#failure && performance.now() - this.#failure.at < this.#restMs) throw this.#failure.error;
    return this.#run();
  }

  async renew(refused: string): Promise<string | undefined> {
    if (this.#current && this.#current.value !== refused) return this.#current.value;
    if (!this.#running && performance.now() - this.#renewedAt < this.#restMs) return undefined;
    this.#renewedAt = performance.now();
    const value = await this.#run();
    return value === refused ? undefined : value;
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
      const value = this.#parse(await runProgram(this.#place));
      this.#current = { value, fetchedAt };
      this.#failure = undefined;
      return value;
    } catch (error) {
      const reported = error instanceof SecretError ? error : new SecretError("its command failed", { cause: error });
      this.#failure = { error: reported, at: performance.now() };
      throw reported;
    }
  }
}
