import { z } from "zod";
import { createDaemonEndpoint } from "../endpoint.ts";
import { FileType } from "./files.ts";

/** The daemon's routes for finding files by name and by content. */

const scope = {
  /** The folder to search. */
  path: z.string().max(4_096).default("."),
  /** Leaves out files that git ignores. The search never covers `.git`. */
  gitignore: z.boolean().default(true),
};

export const NameSearch = z.object({
  ...scope,
  /** The characters must occur in a path in this order; blanks are ignored. */
  query: z.string().max(256),
  limit: z.int().min(1).max(1_000).default(100),
  include_folders: z.boolean().default(false),
});
export type NameSearch = z.output<typeof NameSearch>;

export const NameMatch = z.object({
  path: z.string(),
  type: FileType,
  /** A higher score is better; scores are comparable within one answer only. */
  score: z.number(),
  /** Positions of the matched characters in the path. */
  positions: z.array(z.number()),
});
export type NameMatch = z.infer<typeof NameMatch>;

export const NameMatches = z.object({
  /** The best match comes first. */
  matches: z.array(NameMatch),
  scanned: z.number(),
  /** There are more matches, or the search stopped before it had seen every path. */
  truncated: z.boolean(),
});
export type NameMatches = z.infer<typeof NameMatches>;

const Glob = z.string().min(1).max(1_024);

export const ContentSearch = z.object({
  ...scope,
  pattern: z
    .string()
    .min(1)
    .max(4_096)
    .refine((pattern) => !/[\n\r\0]/.test(pattern), {
      message: "a pattern without line breaks: the search goes line by line",
    }),
  /** The pattern is a literal text or a regular expression. */
  mode: z.enum(["literal", "regex"]).default("literal"),
  /** `smart`: case matters if the pattern contains a capital. */
  case: z.enum(["sensitive", "insensitive", "smart"]).default("sensitive"),
  whole_word: z.boolean().default(false),
  /**
   * Includes only files that match one of these globs, relative to `path`. A glob without `/`
   * matches names at any depth.
   */
  include: z.array(Glob).max(64).default([]),
  exclude: z.array(Glob).max(64).default([]),
  /** Number of lines to return before and after each match. */
  context: z.int().min(0).max(20).default(0),
  limit: z.int().min(1).max(10_000).default(1_000),
  timeout_s: z.number().positive().max(300).default(30),
});
export type ContentSearch = z.output<typeof ContentSearch>;

export const SearchLine = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("match"),
    path: z.string(),
    line: z.number(),
    /** Column of the first match in the line, counted from 1 in characters of the whole line. */
    column: z.number(),
    /**
     * The line without its line end. A very long line is cut to the part around the first match.
     */
    text: z.string(),
    /** Ranges of `text` that match. */
    ranges: z.array(z.object({ start: z.number(), end: z.number() })),
    before: z.array(z.string()),
    after: z.array(z.string()),
  }),
  /** The last line. `truncated` gives the reason why more matches may exist. */
  z.object({
    type: z.literal("end"),
    matches: z.number(),
    files: z.number(),
    truncated: z.enum(["limit", "time", "size"]).optional(),
  }),
]);
export type SearchLine = z.infer<typeof SearchLine>;
export type SearchMatch = Extract<SearchLine, { type: "match" }>;

export const searchApi = {
  searchNames: createDaemonEndpoint({
    method: "POST",
    path: "/search/files",
    summary: "Find files whose paths match a few characters, the best match first",
    body: NameSearch,
    response: NameMatches,
    carriesContent: true,
  }),
  searchContents: createDaemonEndpoint({
    method: "POST",
    path: "/search/grep",
    summary: "Stream matching lines as NDJSON of SearchLine. Binary files are skipped",
    body: ContentSearch,
    response: "stream",
    line: SearchLine,
  }),
} as const;
