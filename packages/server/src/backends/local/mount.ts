/** One instruction to bubblewrap that puts something into the sandbox, as arguments. */
export type Mount = readonly string[];

export const readOnly = (source: string, target = source): Mount => ["--ro-bind", source, target];

export const readOnlyIfThere = (source: string, target: string): Mount => ["--ro-bind-try", source, target];

export const writable = (source: string, target: string): Mount => ["--bind", source, target];

/** The path is there and cannot be opened. */
export const mask = (path: string): Mount => ["--ro-bind", "/dev/null", path];

/** An empty folder in memory. */
export const inMemory = (path: string, bytes: number, mode: string): Mount => [
  "--perms",
  mode,
  "--size",
  String(bytes),
  "--tmpfs",
  path,
];
