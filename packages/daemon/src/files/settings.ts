/** FileSettings define the folder that files are served from, and size limits. */
export interface FileSettings {
  /** Every path is relative to this root. */
  readonly workspace: string;
  /** Files up to this size are read or written as a whole. */
  readonly maxFileBytes: number;
  /** An archive may contain this much, packed or unpacked. */
  readonly maxArchiveBytes: number;
  readonly maxArchiveEntries: number;
}

/**
 * A JSON answer has at most this much content. Even if every byte is escaped as `\u0000`, the
 * answer stays below the 64 MiB that a caller over the wire accepts.
 */
export const maxContentBytes = 10 * 1024 * 1024;

export const getDefaultFileSettings = (workspace: string): FileSettings => ({
  workspace,
  maxFileBytes: 50 * 1024 * 1024,
  maxArchiveBytes: 2 * 1024 ** 3,
  maxArchiveEntries: 500_000,
});
