import { SecretMatcher } from "../../redaction/index.ts";
import { SecretCommand } from "./secret-command.ts";
import { SecretFile } from "./secret-file.ts";
import { type ParseSecret, parseToken, SecretError, type SecretPlace, type SecretSource } from "./secret-source.ts";

/** A rotated secret may still be valid, and answers to requests with it may still arrive. */
const maxRememberedValues = 4;

/** Called with each new value, which must not leave the server, and its name for people. */
export type OnSecret = (name: string, value: string) => void;

export interface SecretOptions {
  /** Names the secret for people. */
  readonly name: string;
  /** Creates the error of a secret that cannot be read. */
  readonly createError: (error: SecretError) => Error;
  readonly onValue?: OnSecret | undefined;
  /** @default as a token, which is sent in a header */
  readonly parse?: ParseSecret;
}

/** A secret that may change, and what recognises it and its predecessors in an answer. */
export class Secret {
  readonly #source: SecretSource;
  readonly #options: SecretOptions;
  #values: readonly string[] = [];
  #matcher = new SecretMatcher([]);

  /** Whether there may be a newer value after a refusal. */
  readonly canChange: boolean;

  constructor(place: SecretPlace, options: SecretOptions) {
    this.#source = createSecretSource(place, options.parse);
    this.#options = options;
    this.canChange = place.kind !== "environment";
  }

  async get(): Promise<string> {
    try {
      return this.#remember(await this.#source.get());
    } catch (error) {
      throw error instanceof SecretError ? this.#options.createError(error) : error;
    }
  }

  /**
   * Returns a newer value after a host refused `refused`; undefined if there is none or it cannot
   * be read, because the refusal is then the better explanation.
   */
  async renew(refused: string): Promise<string | undefined> {
    try {
      const value = await this.#source.renew(refused);
      return value === undefined ? undefined : this.#remember(value);
    } catch (error) {
      if (error instanceof SecretError) return undefined;
      throw error;
    }
  }

  /** Recognises the values that were read last. */
  get matcher(): SecretMatcher {
    return this.#matcher;
  }

  #remember(value: string): string {
    if (this.#values.includes(value)) return value;
    const { name, onValue } = this.#options;
    this.#values = [...this.#values, value].slice(-maxRememberedValues);
    this.#matcher = new SecretMatcher(this.#values.map((one) => ({ name, value: one })));
    onValue?.(name, value);
    return value;
  }
}

export function createSecretSource(place: SecretPlace, parse: ParseSecret = parseToken): SecretSource {
  if (place.kind === "file") return new SecretFile(place, parse);
  if (place.kind === "command") return new SecretCommand(place, parse);
  const { name, value } = place;
  const get = async () => {
    if (value === undefined) throw new SecretError(`the server's environment has no variable ${name}`);
    return parse(Buffer.from(value));
  };
  return { get, renew: async () => undefined };
}
