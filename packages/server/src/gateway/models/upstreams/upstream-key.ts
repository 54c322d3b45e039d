import { WharfError } from "@wharf/contract";
import { SecretMatcher } from "../../../redaction/index.ts";
import { createKeySource, describeKey, type KeyConfig, type KeySource } from "../keys/index.ts";

/** A rotated key may still be valid, and answers to requests with it may still arrive. */
const maxRememberedKeys = 4;

/** Called with each new key and the name of its place. */
export type OnKey = (name: string, key: string) => void;

/** The key of an upstream, and what recognises it and its predecessors in an answer. */
export class UpstreamKey {
  readonly #source: KeySource;
  readonly #name: string;
  readonly #onKey: OnKey | undefined;
  #keys: readonly string[] = [];
  #matcher = new SecretMatcher([]);

  /** Whether there may be a newer key after a refusal. */
  readonly canChange: boolean;

  constructor(config: KeyConfig, route: string, onKey?: OnKey) {
    this.#name = describeKey(config).name;
    this.#onKey = onKey;
    this.canChange = config.kind !== "environment";
    this.#source = createKeySource(config, route);
  }

  async get(): Promise<string> {
    return this.#remember(await this.#source.get());
  }

  /**
   * Returns a newer key after a model's server refused `refusedKey`; undefined if there is none or
   * it cannot be read, because the refusal is then the better explanation.
   */
  async renew(refusedKey: string): Promise<string | undefined> {
    try {
      const key = await this.#source.renew(refusedKey);
      return key === undefined ? undefined : this.#remember(key);
    } catch (error) {
      if (error instanceof WharfError) return undefined;
      throw error;
    }
  }

  /** Recognises the keys that were read last. */
  get matcher(): SecretMatcher {
    return this.#matcher;
  }

  #remember(key: string): string {
    if (this.#keys.includes(key)) return key;
    this.#keys = [...this.#keys, key].slice(-maxRememberedKeys);
    this.#matcher = new SecretMatcher(this.#keys.map((value) => ({ name: this.#name, value })));
    this.#onKey?.(this.#name, key);
    return key;
  }
}
