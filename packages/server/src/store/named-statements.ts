import { createHash } from "node:crypto";
import pg from "pg";

/** PostgreSQL keeps each of them for each connection, in tens of kilobytes of memory. */
const maxNames = 100;
/** A statement with another number of values is another statement, so most of them are rare. */
const minUses = 20;
const maxWatched = 2_000;

/**
 * Chooses the statements that get a name: those that are executed often. PostgreSQL parses a named
 * statement once for each connection, and any other one whenever it is executed.
 */
export class StatementNames {
  readonly #uses = new Map<string, number>();
  readonly #names = new Map<string, string>();

  find(text: string): string | undefined {
    const name = this.#names.get(text);
    if (name !== undefined || this.#names.size >= maxNames) return name;
    const uses = (this.#uses.get(text) ?? 0) + 1;
    if (uses < minUses) {
      if (uses > 1 || this.#uses.size < maxWatched) this.#uses.set(text, uses);
      return undefined;
    }
    this.#uses.delete(text);
    const newName = `often_${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
    this.#names.set(text, newName);
    return newName;
  }
}

/** All connections use the same names, so that a statement is counted once. */
const names = new StatementNames();

/** A connection that names statements with values. */
export class NamingClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    const query = this.query.bind(this) as (statement: unknown, ...rest: unknown[]) => unknown;
    const nameAndQuery = (statement: unknown, ...rest: unknown[]) =>
      query(
        isUnnamed(statement) && Array.isArray(rest[0]) ? { ...statement, name: names.find(statement.text) } : statement,
        ...rest,
      );
    this.query = nameAndQuery as typeof this.query;
  }
}

const isUnnamed = (statement: unknown): statement is pg.QueryConfig =>
  typeof statement === "object" &&
  statement !== null &&
  "text" in statement &&
  !("name" in statement && statement.name);
