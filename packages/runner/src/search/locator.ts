import type { ContentSearch } from "@wharf/contract";
import type { TreeEntry } from "../files/index.ts";

/** Where a line with matches stands in a file. */
export interface MatchedLine {
  /** Counted from 1. */
  readonly line: number;
  /** Of the line's begin in the file, in bytes. */
  readonly offset: number;
  /** Of the line with its end, in bytes. */
  readonly length: number;
  /** Matches within the line, in bytes from its begin. */
  readonly ranges: readonly { start: number; end: number }[];
  /** The line's bytes, or its first ones where it is long: what is shown must be what was found. */
  readonly begin: Uint8Array;
}

/** How much of a line is kept to know it again. */
export const maxBeginBytes = 4_096; // bytes

/** The lines of one file that match. */
export interface MatchedFile {
  /** From the workspace. */
  readonly path: string;
  readonly lines: readonly MatchedLine[];
}

export interface LocateOptions {
  readonly workspace: string;
  readonly input: ContentSearch;
  /** Whether the globs leave a file or folder out. */
  readonly leaveOut: (entry: Pick<TreeEntry, "path" | "type">) => boolean;
  readonly signal: AbortSignal;
}

/** Finds matching lines, file by file; the value at its end says whether a file or line was too large to be searched. */
export type Locator = (options: LocateOptions) => AsyncGenerator<MatchedFile, { tooLarge: boolean }, undefined>;

/** Files that are larger are not searched. */
export const maxFileBytes = 16 * 1024 * 1024; // bytes
