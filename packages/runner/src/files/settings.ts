/** Where files are served from, and how much of them. */
export interface FileSettings {
  /** The root of every path. */
  readonly workspace: string;
  /** The largest file that is read or written as a whole. */
  readonly maxFileBytes: number;
  /** What an archive may hold, packed or unpacked. */
  readonly maxArchiveBytes: number;
  readonly maxArchiveEntries: number;
}

/**
 * The most content of one JSON answer, in bytes. Even where every byte of it has to be escaped as `\u0000`, the answer
 * stays beneath the 64 MiB that a caller over the wire takes.
 */
export const maxContentBytes = 10 * 1024 * 1024;

export const getDefaultFileSettings = (workspace: string): FileSettings => ({
  workspace,
  maxFileBytes: 50 * 1024 * 1024,
  maxArchiveBytes: 2 * 1024 ** 3,
  maxArchiveEntries: 500_000,
});
