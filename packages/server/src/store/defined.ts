type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** A row's fields without those that are undefined: a statement then leaves their columns alone. */
export function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
