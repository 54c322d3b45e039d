/** Holds bubblewrap's arguments that put one thing into the sandbox. */
export type Mount = readonly string[];

export const createReadOnlyMount = (source: string, target = source): Mount => ["--ro-bind", source, target];

export const readOnlyIfThere = (source: string, target: string): Mount => ["--ro-bind-try", source, target];

export const createWritableMount = (source: string, target: string): Mount => ["--bind", source, target];

/** Makes the path exist without being readable. */
export const createMaskMount = (path: string): Mount => ["--ro-bind", "/dev/null", path];

/** Mounts an empty folder in memory. */
export const createMemoryMount = (path: string, bytes: number, mode: string): Mount => [
  "--perms",
  mode,
  "--size",
  String(bytes),
  "--tmpfs",
  path,
];
