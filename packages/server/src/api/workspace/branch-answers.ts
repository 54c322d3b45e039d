import { isUtf8 } from "node:buffer";
import { posix } from "node:path";
import {
  type EndpointOutput,
  type FileContent,
  type FileRead,
  type FileStats,
  GitPath,
  type TreeLine,
  WharfError,
  type workspaceRoutes,
} from "@wharf/contract";
import { z } from "zod";
import type { TaskBranch } from "../../runs/index.ts";

/**
 * Answers of a workspace without its runner: the newest commit of the task's branch stands for the
 * files. Everything that changes something, or runs a program, needs the runner.
 */

type Routes = typeof workspaceRoutes;
type RequestPart<R, K extends string> = K extends keyof R ? (R[K] extends z.ZodType ? z.output<R[K]> : object) : object;
type Input<R> = RequestPart<R, "query"> & RequestPart<R, "body">;
type Answer<R> = R extends {
  readonly response: z.ZodType;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly summary: string;
}
  ? EndpointOutput<R>
  : Buffer;
type Answers<N extends keyof Routes> = {
  readonly [K in N]: (branch: TaskBranch, input: Input<Routes[K]>, signal: AbortSignal) => Promise<Answer<Routes[K]>>;
};

type BranchRouteName =
  | "download"
  | "fileStats"
  | "gitCommitMessages"
  | "gitCurrentBranch"
  | "gitCurrentCommit"
  | "gitDiff"
  | "gitDiffAgainstBase"
  | "gitFile"
  | "gitFileChanges"
  | "gitLog"
  | "gitShow"
  | "gitStatus"
  | "listFolder"
  | "listTree"
  | "readFile";

export const branchAnswers: Answers<BranchRouteName> = {
  async gitDiff({ reader, head }, { base, head: other, path, stat }, signal) {
    const sides = {
      base: base === undefined ? head : await reader.getCommit(base, signal),
      head: other === undefined ? head : await reader.getCommit(other, signal),
    };
    return reader.compare({ ...sides, path, stat }, signal);
  },
  gitDiffAgainstBase: ({ reader, base, head }, { path, stat }, signal) =>
    reader.compare({ base, head, path, stat }, signal),
  async gitFileChanges({ reader, head, ...branch }, input, signal) {
    const base = input.base === undefined ? branch.base : await reader.getCommit(input.base, signal);
    const { files, truncated } = await reader.compare({ base, head, stat: true }, signal);
    return { base, files, truncated };
  },
  async gitLog({ reader, head }, { revision, ...input }, signal) {
    const start = revision === undefined ? head : await reader.getCommit(revision, signal);
    return reader.readLog({ start, ...input }, signal);
  },
  async gitCommitMessages({ reader, base, head }, { limit }, signal) {
    const { commits, more } = await reader.readLog({ start: head, since: base, limit }, signal);
    const messages = commits.map(({ sha, subject, body }) => ({
      sha,
      message: body ? `${subject}\n\n${body}` : subject,
    }));
    return { messages, more };
  },
  async gitShow({ reader }, { revision, path, stat }, signal) {
    return reader.showCommit({ commit: await reader.getCommit(revision, signal), path, stat }, signal);
  },
  async gitFile({ reader, readFile }, { revision, path }, signal) {
    const sha = await reader.getCommit(revision, signal);
    const bytes = await readFile(sha, path, signal);
    return { path, sha, size_bytes: bytes.length, ...encode(bytes) };
  },
  gitCurrentBranch: async ({ branch }) => ({ branch }),
  gitCurrentCommit: ({ reader, head }, _input, signal) => getCommit({ reader, head }, signal),
  gitStatus: async ({ branch, head }) => ({ branch, head, clean: true, files: [], truncated: false }),
  async fileStats(branch, input, signal) {
    const path = toTreePath(input.path);
    const { type, mode, size } = await branch.reader.findEntry(branch.head, path, signal);
    return { path, type, mode, size_bytes: size, modified_at: await getTime(branch, signal) };
  },
  async listFolder(branch, { path: requested, after, limit }, signal) {
    const path = toTreePath(requested);
    const { entries } = await branch.reader.listEntries({ commit: branch.head, path, recursive: false }, signal);
    const modifiedAt = await getTime(branch, signal);
    const all = entries.map(({ path: entryPath, type, mode, size }) => ({
      name: posix.basename(entryPath),
      type,
      mode,
      size_bytes: size,
      modified_at: modifiedAt,
    }));
    const rest = all.filter(({ name }) => after === undefined || compareNames(name, after) > 0);
    const page = rest.toSorted((a, b) => compareNames(a.name, b.name)).slice(0, limit);
    const last = page.at(-1);
    return { path, entries: page, ...(last && rest.length > page.length && { next: last.name }) };
  },
  async listTree({ reader, head }, { path: requested, max_depth: maxDepth, limit }, signal) {
    const path = toTreePath(requested);
    const listed = await reader.listEntries({ commit: head, path, recursive: true }, signal);
    const baseDepth = path === "." ? 0 : path.split("/").length;
    const entries = listed.entries.filter((entry) => entry.path.split("/").length - baseDepth <= maxDepth);
    const shown = entries.slice(0, limit);
    const lines: TreeLine[] = [
      ...shown.map(({ type, path: entryPath }) => ({ type, path: entryPath })),
      { type: "end", count: shown.length, truncated: listed.truncated || entries.length > limit },
    ];
    return Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  },
  async readFile(branch, input, signal) {
    const path = toTreePath(input.path);
    const bytes = await branch.readFile(branch.head, path, signal);
    return { path, modified_at: await getTime(branch, signal), ...selectContent(bytes, { ...input, path }) };
  },
  download: ({ readFile, head }, { path }, signal) => readFile(head, toTreePath(path), signal),
};

const compareNames = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Returns the path as git names it. */
function toTreePath(path: string): string {
  const normal = posix.normalize(path).replace(/\/$/, "");
  if (normal === "." || normal === "") return ".";
  if (!GitPath.safeParse(normal).success) throw new WharfError("path_outside", { path });
  return normal;
}

async function getCommit({ reader, head }: Pick<TaskBranch, "reader" | "head">, signal: AbortSignal) {
  const [commit] = (await reader.readLog({ start: head, limit: 1 }, signal)).commits;
  if (!commit) throw new WharfError("revision_not_found", { revision: head });
  return commit;
}

/** Git keeps no times of files: the time of the newest commit stands for all. */
const getTime = async (branch: TaskBranch, signal: AbortSignal): Promise<FileStats["modified_at"]> =>
  new Date((await getCommit(branch, signal)).at).toISOString();

function encode(bytes: Buffer): { encoding: "utf8" | "base64"; content: string } {
  const encoding = isUtf8(bytes) ? "utf8" : "base64";
  return { encoding, content: bytes.toString(encoding) };
}

/** Selects the range of lines or of bytes that a request names. */
function selectContent(bytes: Buffer, input: FileRead): Omit<FileContent, "path" | "modified_at"> {
  const { start_line: startLine, end_line: endLine, offset = 0, length = bytes.length } = input;
  const lines = (startLine ?? endLine) === undefined ? undefined : findLines(bytes, startLine, endLine);
  const [start, end] = lines ? [lines.start, lines.end] : [Math.min(offset, bytes.length), offset + length];
  const part = bytes.subarray(start, end);
  if (input.encoding === "utf8" && !isUtf8(part))
    throw new WharfError("bad_request", {
      issues: [{ path: input.path, message: "is not UTF-8 text; request it as base64" }],
    });
  return {
    ...(input.encoding === "base64" ? { encoding: "base64", content: part.toString("base64") } : encode(part)),
    size_bytes: bytes.length,
    offset: start,
    ...(lines && { start_line: lines.first, end_line: lines.last, total_lines: lines.total }),
    end_of_file: start + part.length >= bytes.length,
  };
}

function findLines(bytes: Buffer, first = 1, end = Number.MAX_SAFE_INTEGER) {
  const starts = [0];
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) starts.push(at + 1);
  if (starts.at(-1) === bytes.length) starts.pop();
  const total = starts.length;
  const last = Math.max(first - 1, Math.min(end, total));
  return { first, last, total, start: starts[first - 1] ?? bytes.length, end: starts[last] ?? bytes.length };
}
