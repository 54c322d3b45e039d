import type { Scalar } from "../json/json-scanner.ts";

/** The largest count that is believed: more tokens than any request can have. */
const maxCount = 1_000_000_000;

/** What an answer has reported so far. Providers repeat counts; the last one counts. */
export class ReportedValues {
  readonly #values = new Map<string, Scalar>();
  readonly #pendingValues = new Map<string, Scalar>();
  #problem: string | undefined;

  /** Adds a value of the current record. A count that the provider leaves open is null. */
  add(path: string, value: Scalar | undefined): void {
    if (value !== null) this.#pendingValues.set(path, value ?? "");
  }

  /** The record has ended: its values count. */
  commit(): void {
    for (const [path, value] of this.#pendingValues) this.#values.set(path, value);
    this.#pendingValues.clear();
  }

  /** Forgets the values of a record that has no end. */
  discard(): void {
    this.#pendingValues.clear();
  }

  has(path: string): boolean {
    return this.#values.has(path);
  }

  /** Returns a count of tokens; undefined if there is none or it cannot be one. */
  getCount(path: string): number | undefined {
    const value = this.#values.get(path);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= maxCount) return value;
    this.#problem ??= `${path} is not a count of tokens`;
    return undefined;
  }

  /** Why a value that was read cannot be right. */
  get problem(): string | undefined {
    return this.#problem;
  }
}
