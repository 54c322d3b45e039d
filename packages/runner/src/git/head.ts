import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "../support/files.ts";

const maxLineBytes = 4 * 1024; // bytes
const branchPrefix = "ref: refs/heads/";
const shaPattern = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/** What is checked out, read from the files: the branch and, where it is not packed, its commit. */
export async function readHead(repository: string): Promise<{ branch?: string; sha?: string }> {
  const head = await readFirstLine(join(repository, "HEAD"));
  if (!head?.startsWith(branchPrefix)) return parseSha(head);
  const branch = head.slice(branchPrefix.length);
  if (branch.split("/").includes("..")) return { branch };
  return { branch, ...parseSha(await readFirstLine(join(repository, "refs/heads", branch))) };
}

/** Nothing where the line is of another file: the agent may have put a link there. */
const parseSha = (line: string | undefined): { sha?: string } => (line && shaPattern.test(line) ? { sha: line } : {});

/** Of a plain file only: the agent may have put a pipe there that nobody ever writes to. */
async function readFirstLine(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!(await file.stat()).isFile()) return undefined;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxLineBytes), 0, maxLineBytes, 0);
    return buffer.toString("utf8", 0, bytesRead).split("\n", 1)[0]?.trim();
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR", "EISDIR", "ENXIO", "ELOOP", "EACCES")) return undefined;
    throw error;
  }
}
