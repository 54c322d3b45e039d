type DefinedFields<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** A row's fields without those that are undefined: a statement then leaves their columns alone. */
export function omitUndefined<T extends object>(fields: T): DefinedFields<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as DefinedFields<T>;
}
