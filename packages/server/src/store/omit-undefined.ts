type DefinedFields<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/**
 * Returns a row's fields without undefined ones, so that a statement does not touch their columns.
 */
export function omitUndefined<T extends object>(fields: T): DefinedFields<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as DefinedFields<T>;
}
