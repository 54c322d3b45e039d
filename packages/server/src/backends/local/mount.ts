/** One instruction to bubblewrap that puts something into the sandbox, as arguments. */
export type Mount = readonly string[];

export const createReadOnlyMount = (source: string, target = source): Mount => ["--ro-bind", source, target];

export const readOnlyIfThere = (source: string, target: string): Mount => ["--ro-bind-try", source, target];

export const createWritableMount = (source: string, target: string): Mount => ["--bind", source, target];

/** The path is there and cannot be opened. */
export const createMaskMount = (path: string): Mount => ["--ro-bind", "/dev/null", path];

/** An empty folder in memory. */
export const createMemoryMount = (path: string, bytes: number, mode: string): Mount => [
  "--perms",
  mode,
  "--size",
  String(bytes),
  "--tmpfs",
  path,
];
