import { redactValue } from "./redact-value.ts";
import { type Secret, type SecretMatch, SecretMatcher } from "./secret-matcher.ts";

/** Shorter values, and values of few different characters, occur in any text. */
const minLength = 8;
const minDistinctCharacters = 4;

/** Why a value is not looked for. */
export type RefusedSecret = "too short" | "too simple";

/**
 * The secrets that the server knows, each under a name that people recognise. A name may have
 * several values, as while a key is being rotated: a replaced value remains a secret.
 */
export class KnownSecrets {
  readonly #secrets: Secret[] = [];
  #matcher = new SecretMatcher([]);

  /** Adds a value; returns why it cannot be looked for, if so. */
  register(name: string, value: string): RefusedSecret | undefined {
    if (value.length < minLength) return "too short";
    if (new Set(value).size < minDistinctCharacters) return "too simple";
    if (this.#secrets.some((secret) => secret.value === value)) return undefined;
    this.#secrets.push({ name, value });
    this.#matcher = new SecretMatcher(this.#secrets);
    return undefined;
  }

  /** The matcher of the current secrets. Streams ask for it again with each chunk. */
  get matcher(): SecretMatcher {
    return this.#matcher;
  }

  redactText(text: string, onMatch?: (match: SecretMatch) => void): string {
    return this.#matcher.redactText(text, onMatch);
  }

  /** Redacts all texts in a JSON value, keys included. */
  redactJson<T>(value: T, onMatch?: (match: SecretMatch) => void): T {
    return redactValue(value, this.#matcher, onMatch);
  }
}
