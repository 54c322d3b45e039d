import { posix } from "node:path";
import {
  type FileContent,
  type FileRead,
  filesApi,
  type FileStats,
  type TreeLine,
  type TreeList,
  WharfError,
} from "@wharf/contract";
import type { MemoryFile, MemoryFiles } from "../memory-files.ts";
import { type Route, route } from "../serve-routes.ts";

const maxFileBytes = 50 * 1024 * 1024;

/** The daemon's file routes on files in memory. Folders have no time of their own, and nothing is a link that leads anywhere. */
export function fileRoutes(files: MemoryFiles): Route[] {
  const statsOf = (path: string): FileStats => statsAt(files, path);
  return [
    route("readFile", filesApi.readFile, ({ body }) => readRange(files, body)),
    route("fileStats", filesApi.fileStats, ({ body }) => statsOf(files.resolve(body.path))),
    route("writeFile", filesApi.writeFile, ({ body }) => {
      const at = files.resolve(body.path);
      const created = !files.has(at);
      if (!created && !body.overwrite)
        throw new WharfError("conflict", { what: "file", from: "there already", to: "created" });
      if (!body.create_parents && !files.isFolder(folderOf(at)))
        throw new WharfError("not_found", { what: "folder", id: folderOf(at) });
      const bytes = Buffer.from(body.content, body.encoding);
      if (bytes.length > maxFileBytes)
        throw new WharfError("file_too_large", { path: body.path, limit_bytes: maxFileBytes });
      const mode = body.mode === undefined ? undefined : body.mode & 0o111 ? "100755" : "100644";
      files.write(at, bytes, mode);
      return { ...statsOf(at), created };
    }),
    route("deletePath", filesApi.deletePath, ({ body }) => {
      const at = files.resolve(body.path);
      const stats = at === "" || files.has(at) || files.isFolder(at) ? statsOf(at) : undefined;
      if (!stats && !body.missing_ok) throw new WharfError("not_found", { what: "file", id: body.path });
      const inside = stats?.type === "directory" ? [...walk(files, at)].length : 0;
      if (inside > 0 && !body.recursive)
        throw new WharfError("conflict", { what: "folder", from: "not empty", to: "deleted" });
      files.remove(at);
      return { path: at || ".", deleted: stats ? inside + 1 : 0 };
    }),
    route("listFolder", filesApi.listFolder, ({ body }) => {
      const at = files.resolve(body.path);
      const { after } = body;
      const left = files.list(at).filter(({ name }) => after === undefined || name > after);
      const page = left.slice(0, body.limit);
      const entries = page.map(({ name }) => {
        const { path: _, ...stats } = statsOf(posix.join(at, name));
        return { name, ...stats };
      });
      const next = left.length > page.length ? page.at(-1)?.name : undefined;
      return { path: at || ".", entries, ...(next !== undefined && { next }) };
    }),
    route("listTree", filesApi.listTree, ({ body }) => tree(files, body)),
    route("replaceText", filesApi.replaceText, ({ body }) => {
      const at = files.resolve(body.path);
      const { bytes, mode } = files.read(at);
      const pieces = bytes.toString("latin1").split(Buffer.from(body.search).toString("latin1"));
      const replaced = pieces.length - 1;
      if (replaced === 0) throw new WharfError("not_found", { what: "text", id: body.search.slice(0, 100) });
      if (replaced > 1 && body.must_match_once)
        throw new WharfError("bad_request", {
          issues: [{ path: "search", message: `occurs ${replaced} times; give more of what surrounds it` }],
        });
      files.write(at, Buffer.from(pieces.join(Buffer.from(body.replace).toString("latin1")), "latin1"), mode);
      return { ...statsOf(at), replaced };
    }),
  ];
}

function tree(files: MemoryFiles, { path, max_depth, limit }: TreeList): AsyncIterable<TreeLine> {
  const at = files.resolve(path);
  // Throws at once for what is no folder.
  files.list(at);
  return (async function* () {
    let count = 0;
    for (const entry of walk(files, at)) {
      if (entry.depth > max_depth) continue;
      if (count === limit) return yield { type: "end" as const, count, truncated: true };
      count += 1;
      yield { type: entry.type, path: entry.path };
    }
    yield { type: "end" as const, count, truncated: false };
  })();
}

function folderOf(path: string): string {
  const folder = posix.dirname(path);
  return folder === "." ? "" : folder;
}

function statsAt(files: MemoryFiles, path: string): FileStats {
  if (!files.has(path)) {
    if (!files.isFolder(path)) throw new WharfError("not_found", { what: "file", id: path });
    return { path: path || ".", type: "directory", size_bytes: 0, mode: 0o755, modified_at: new Date().toISOString() };
  }
  const { bytes, mode, modifiedAt } = files.read(path);
  return {
    path,
    type: mode === "120000" ? "symlink" : "file",
    size_bytes: bytes.length,
    mode: mode === "100755" ? 0o755 : 0o644,
    modified_at: modifiedAt.toISOString(),
    ...(mode === "120000" && { link_target: bytes.toString() }),
  };
}

/** All beneath a folder, a folder before what is in it. */
export function* walk(
  files: MemoryFiles,
  from: string,
  depth = 1,
): Generator<{ path: string; type: "file" | "directory" | "symlink"; depth: number }> {
  for (const { name, isFolder } of files.list(from)) {
    const path = posix.join(from, name);
    yield { path, depth, type: isFolder ? "directory" : files.read(path).mode === "120000" ? "symlink" : "file" };
    if (isFolder) yield* walk(files, path, depth + 1);
  }
}

function readRange(files: MemoryFiles, body: FileRead): FileContent {
  const path = files.resolve(body.path);
  if (files.isFolder(path)) throw new WharfError("conflict", { what: "path", from: "a folder", to: "a file" });
  const file = files.read(path);
  const lined = body.start_line !== undefined || body.end_line !== undefined;
  const range = lined ? lineRange(file, body) : byteRange(file, body);
  const bytes = file.bytes.subarray(range.offset, range.end);
  const text = bytes.toString();
  const isText = Buffer.from(text).equals(bytes);
  if (!isText && body.encoding === "utf8")
    throw new WharfError("bad_request", { issues: [{ path: "encoding", message: "the bytes are not UTF-8" }] });
  const encoding = body.encoding === "base64" || !isText ? "base64" : "utf8";
  return {
    path,
    encoding,
    content: encoding === "utf8" ? text : bytes.toString("base64"),
    size_bytes: file.bytes.length,
    modified_at: file.modifiedAt.toISOString(),
    offset: range.offset,
    ...range.lines,
    end_of_file: range.end >= file.bytes.length,
  };
}

function byteRange({ bytes }: MemoryFile, { offset = 0, length }: FileRead) {
  const from = Math.min(offset, bytes.length);
  return { offset: from, end: length === undefined ? bytes.length : Math.min(from + length, bytes.length), lines: {} };
}

function lineRange({ bytes }: MemoryFile, { start_line = 1, end_line }: FileRead) {
  const starts = [0];
  for (let at = bytes.indexOf(10); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(10, at + 1))
    starts.push(at + 1);
  const total = bytes.length === 0 ? 0 : starts.length;
  const last = Math.min(end_line ?? total, total);
  const offset = start_line > total ? bytes.length : (starts[start_line - 1] ?? 0);
  const end = last < start_line ? offset : (starts[last] ?? bytes.length);
  return { offset, end, lines: { start_line, end_line: Math.max(last, start_line - 1), total_lines: total } };
}
