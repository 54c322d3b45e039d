import { z } from "zod";
import { createDaemonEndpoint } from "../endpoint.ts";

/**
 * The daemon's routes for files. Every path is resolved inside the workspace; a link that leads out
 * of it is refused.
 */

/** The path is relative to the workspace, or absolute inside it. */
const Path = z.string().max(4_096);

export const FileType = z.enum(["file", "directory", "symlink", "other"]);
export type FileType = z.infer<typeof FileType>;

export const FileStats = z.object({
  /** The path is relative to the workspace; `.` is the workspace itself. */
  path: z.string(),
  type: FileType,
  size_bytes: z.number(),
  /** Permission bits, such as 0o644. */
  mode: z.number(),
  modified_at: z.iso.datetime(),
  /** The target of a symbolic link, exactly as the link stores it. */
  link_target: z.string().optional(),
  /** Names this version of a file, for `if_match`. Only regular files have one. */
  etag: z.string().optional(),
});
export type FileStats = z.infer<typeof FileStats>;

/** `auto` answers with text if the bytes are UTF-8, and with base64 otherwise. */
export const ReadEncoding = z.enum(["auto", "utf8", "base64"]);
export const ContentEncoding = z.enum(["utf8", "base64"]);

const LineNumber = z.int().min(1);

export const FileRead = z
  .object({
    path: Path,
    encoding: ReadEncoding.default("auto"),
    /** Lines are counted from 1; both ends are included. */
    start_line: LineNumber.optional(),
    end_line: LineNumber.optional(),
    /** Bytes are counted from 0. */
    offset: z.int().min(0).optional(),
    length: z.int().min(0).optional(),
  })
  .refine(
    ({ start_line, end_line, offset, length }) =>
      (start_line ?? end_line) === undefined || (offset ?? length) === undefined,
    { message: "give a range of lines or of bytes, not both", path: ["offset"] },
  )
  .refine(({ start_line = 1, end_line }) => end_line === undefined || end_line >= start_line, {
    message: "must not be less than start_line",
    path: ["end_line"],
  });
export type FileRead = z.output<typeof FileRead>;

export const FileContent = z.object({
  path: z.string(),
  encoding: ContentEncoding,
  content: z.string(),
  /** Size of the whole file. */
  size_bytes: z.number(),
  modified_at: z.iso.datetime(),
  /** Names this version of the file, for `if_match`. */
  etag: z.string().optional(),
  /** Offset of the content in the file, in bytes. */
  offset: z.number(),
  /**
   * Line numbers of the content, if the request asked for lines. Empty content has an `end_line`
   * before its `start_line`.
   */
  start_line: z.number().optional(),
  end_line: z.number().optional(),
  /** Number of lines in the whole file, if the daemon counted them. */
  total_lines: z.number().optional(),
  /** The content reaches the end of the file. */
  end_of_file: z.boolean(),
});
export type FileContent = z.infer<typeof FileContent>;

/** Entity tags of a file, separated by commas, or `*` for any existing file. */
const Etags = z.string().min(1).max(1_000);
/**
 * Changes the file only if it still is the version that its reader got; otherwise `file_changed`. A
 * request may send the tag as `If-Match` instead.
 */
const ifMatch = { if_match: Etags.optional() };

const writeOptions = {
  path: Path,
  /** Creates missing parent folders. */
  create_parents: z.boolean().default(true),
  /** Without `overwrite`, an existing file is `file_already_exists`. */
  overwrite: z.boolean().default(true),
};
const Mode = z.int().min(0).max(0o777);

export const FileWrite = z.object({
  ...writeOptions,
  content: z.string(),
  encoding: ContentEncoding.default("utf8"),
  /** Permission bits. Defaults to those of the file that is replaced. */
  mode: Mode.optional(),
  ...ifMatch,
});
export type FileWrite = z.output<typeof FileWrite>;

export const FileWritten = FileStats.extend({ created: z.boolean() });
export type FileWritten = z.infer<typeof FileWritten>;

export const FolderList = z.object({
  path: Path.default("."),
  /** Lists names after this one, which is the `next` of the previous page. */
  after: z.string().max(4_096).optional(),
  limit: z.int().min(1).max(10_000).default(1_000),
});
export type FolderList = z.output<typeof FolderList>;

export const FolderPage = z.object({
  path: z.string(),
  /** Entries are sorted by name. */
  entries: z.array(FileStats.omit({ path: true, etag: true }).extend({ name: z.string() })),
  /** More entries follow; request them with this value as `after`. */
  next: z.string().optional(),
});
export type FolderPage = z.infer<typeof FolderPage>;

export const TreeList = z.object({
  path: Path.default("."),
  max_depth: z.int().min(1).max(128).default(128),
  limit: z.int().min(1).max(1_000_000).default(100_000),
  /** Leaves out files that git ignores, and `.git`. */
  gitignore: z.boolean().default(false),
});
export type TreeList = z.output<typeof TreeList>;

export const TreeLine = z.discriminatedUnion("type", [
  z.object({ type: z.literal(FileType.options), path: z.string() }),
  /** The last line. `truncated` is true if some entries were not listed. */
  z.object({ type: z.literal("end"), count: z.number(), truncated: z.boolean() }),
]);
export type TreeLine = z.infer<typeof TreeLine>;

export const TextReplace = z.object({
  path: Path,
  /** The daemon compares this text byte for byte. */
  search: z.string().min(1),
  replace: z.string(),
  /** Refuses a text that occurs more than once; otherwise every occurrence is replaced. */
  must_match_once: z.boolean().default(true),
  ...ifMatch,
});
export type TextReplace = z.output<typeof TextReplace>;

export const FolderCreate = z.object({ path: Path, create_parents: writeOptions.create_parents });
export type FolderCreate = z.output<typeof FolderCreate>;
export const FolderCreated = z.object({ path: z.string(), created: z.boolean() });
export type FolderCreated = z.infer<typeof FolderCreated>;

export const PathTransfer = z.object({
  path: Path,
  /** The new path itself, not the folder for it. */
  to: Path,
  create_parents: writeOptions.create_parents,
  /** Without `overwrite`, an existing file at the new path is `file_already_exists`. */
  overwrite: z.boolean().default(false),
});
export type PathTransfer = z.output<typeof PathTransfer>;
export const PathMoved = z.object({ path: z.string(), to: z.string() });
export type PathMoved = z.infer<typeof PathMoved>;

export const ArchiveUnpacked = z.object({
  files: z.number(),
  folders: z.number(),
  links: z.number(),
  bytes: z.number(),
  /** Devices, pipes and other special files, which the daemon never creates. */
  skipped: z.number(),
});
export type ArchiveUnpacked = z.infer<typeof ArchiveUnpacked>;
export const PathCopied = PathMoved.extend(ArchiveUnpacked.shape);
export type PathCopied = z.infer<typeof PathCopied>;

export const filesApi = {
  readFile: createDaemonEndpoint({
    method: "POST",
    path: "/files/read",
    summary: "Read a file, whole or a range of its lines or bytes",
    body: FileRead,
    response: FileContent,
    carriesContent: true,
  }),
  fileStats: createDaemonEndpoint({
    method: "POST",
    path: "/files/stats",
    summary: "Get the type, size and times of a path",
    body: z.object({
      path: Path,
      /** Describes the target of a link instead of the link. */
      follow: z.boolean().default(true),
    }),
    response: FileStats,
  }),
  writeFile: createDaemonEndpoint({
    method: "POST",
    path: "/files/write",
    summary: "Write a whole file. Readers see either the old or the new content",
    body: FileWrite,
    response: FileWritten,
  }),
  deletePath: createDaemonEndpoint({
    method: "POST",
    path: "/files/delete",
    summary: "Delete a file, a link or an empty folder. With `recursive` delete a folder with its content",
    body: z.object({
      path: Path,
      recursive: z.boolean().default(false),
      /** A missing path is not an error. */
      missing_ok: z.boolean().default(false),
      ...ifMatch,
    }),
    response: z.object({ path: z.string(), deleted: z.number() }),
  }),
  listFolder: createDaemonEndpoint({
    method: "POST",
    path: "/files/list",
    summary: "List a folder, page by page",
    body: FolderList,
    response: FolderPage,
    carriesContent: true,
  }),
  listTree: createDaemonEndpoint({
    method: "POST",
    path: "/files/list-recursive",
    summary: "List all entries of a folder tree as NDJSON of TreeLine. A folder comes before its content",
    body: TreeList,
    response: "stream",
    line: TreeLine,
  }),
  replaceText: createDaemonEndpoint({
    method: "POST",
    path: "/files/search-replace",
    summary: "Replace a text in a file",
    body: TextReplace,
    response: FileStats.extend({ replaced: z.number() }),
  }),
  createFolder: createDaemonEndpoint({
    method: "POST",
    path: "/files/mkdir",
    summary: "Create a folder. An existing folder is not an error",
    body: FolderCreate,
    response: FolderCreated,
  }),
  movePath: createDaemonEndpoint({
    method: "POST",
    path: "/files/move",
    summary: "Move or rename a file, a link or a folder",
    body: PathTransfer,
    response: PathMoved,
  }),
  copyPath: createDaemonEndpoint({
    method: "POST",
    path: "/files/copy",
    summary: "Copy a file, or a folder with its content. Links are copied as links",
    body: PathTransfer,
    response: PathCopied,
  }),
} as const;

const createFlagSchema = (value: boolean) => z.stringbool().default(value);

/** Routes whose body or answer is raw bytes. */
export const rawFilesApi = {
  download: createDaemonEndpoint({
    method: "GET",
    path: "/files/download",
    summary: "Download a file. A `Range` header with one range is answered with 206",
    query: z.object({ path: Path }),
    response: "stream",
    responseType: "application/octet-stream",
    hasRanges: true,
  }),
  upload: createDaemonEndpoint({
    method: "PUT",
    path: "/files/upload",
    summary: "Write a file from the bytes of the request's body. Readers see either the old or the new content",
    query: z.object({
      path: Path,
      create_parents: createFlagSchema(true),
      overwrite: createFlagSchema(true),
      mode: z.coerce.number().pipe(Mode).optional(),
    }),
    response: FileWritten,
    bodyType: "application/octet-stream",
  }),
  packFolder: createDaemonEndpoint({
    method: "GET",
    path: "/files/archive",
    summary: "Download a folder as a tar stream. Links are packed as links",
    query: z.object({ path: Path.default("."), gitignore: createFlagSchema(false) }),
    response: "stream",
    responseType: "application/x-tar",
  }),
  unpackFolder: createDaemonEndpoint({
    method: "PUT",
    path: "/files/archive",
    summary: "Unpack a tar stream into a folder. No entry is written through a link",
    query: z.object({ path: Path.default(".") }),
    response: ArchiveUnpacked,
    bodyType: "application/x-tar",
  }),
} as const;
