import type { ContentSearch } from "@wharf/contract";
import type { TreeEntry } from "../files/index.ts";

/** MatchedLine locates a line with matches in a file. */
export interface MatchedLine {
  /** Line numbers start at 1. */
  readonly line: number;
  /** The line starts at this byte of the file. */
  readonly offset: number;
  /** The length includes the line end, in bytes. */
  readonly length: number;
  /** The matches have these byte offsets from the line's start. */
  readonly ranges: readonly { start: number; end: number }[];
  /**
   * The line's bytes, or the first ones of a long line: the excerpt must show the line that was
   * found.
   */
  readonly begin: Uint8Array;
}

/** A match keeps this much of a line to recognize it again. */
export const maxBeginBytes = 4_096;

/** MatchedFile lists the matching lines of one file. */
export interface MatchedFile {
  /** The path is relative to the workspace. */
  readonly path: string;
  readonly lines: readonly MatchedLine[];
}

export interface LocateOptions {
  readonly workspace: string;
  readonly input: ContentSearch;
  /** The globs exclude the file or folder. */
  readonly leaveOut: (entry: Pick<TreeEntry, "path" | "type">) => boolean;
  readonly signal: AbortSignal;
}

/**
 * Finds matching lines, file by file; the return value reports whether a file or line was too large
 * to search.
 */
export type Locator = (options: LocateOptions) => AsyncGenerator<MatchedFile, { tooLarge: boolean }, undefined>;

/** Larger files are not searched. */
export const maxFileBytes = 16 * 1024 * 1024;
