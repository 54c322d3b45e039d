import { type Placeholder, sql } from "drizzle-orm";
import type { Executor } from "./executor.ts";

type Places<Name extends string> = { readonly [N in Name]: Placeholder<N> };
type Values<Name extends string> = { readonly [N in Name]: unknown };

interface Statement<Rows> {
  execute(values: Record<string, unknown>): Promise<Rows>;
}

/**
 * Returns a statement of frequent requests that is built once for a database, because building it
 * takes longer than sending it. What it says follows from its variant alone; all values of an
 * execution, such as the organization, have a place.
 */
export function buildOnce<const Name extends string, Rows, Variant extends string | void = void>(
  names: readonly Name[],
  build: (db: Executor, places: Places<Name>, variant: Variant) => { prepare(name: string): Statement<Rows> },
): (db: Executor, values: Values<Name>, variant: Variant) => Promise<Rows> {
  const places = Object.fromEntries(names.map((name) => [name, sql.placeholder(name)])) as Places<Name>;
  const built = new WeakMap<Executor, Map<Variant, Statement<Rows>>>();
  return (db, values, variant) => {
    const variants = built.get(db) ?? new Map<Variant, Statement<Rows>>();
    built.set(db, variants);
    // A connection names the statements that are executed often.
    const statement = variants.get(variant) ?? build(db, places, variant).prepare("");
    variants.set(variant, statement);
    return statement.execute(values);
  };
}
