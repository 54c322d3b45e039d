import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "../file-system/files.ts";

const maxLineBytes = 4 * 1024;
const branchPrefix = "ref: refs/heads/";
const shaPattern = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/** Reads from files what is checked out: the branch and, unless it is packed, its commit. */
export async function readHead(repository: string): Promise<{ branch?: string; sha?: string }> {
  const head = await readFirstLine(join(repository, "HEAD"));
  if (!head?.startsWith(branchPrefix)) return parseSha(head);
  const branch = head.slice(branchPrefix.length);
  if (branch.split("/").includes("..")) return { branch };
  return { branch, ...parseSha(await readFirstLine(join(repository, "refs/heads", branch))) };
}

/** Returns nothing if the line is not a commit id: the agent may have put a link there. */
const parseSha = (line: string | undefined): { sha?: string } => (line && shaPattern.test(line) ? { sha: line } : {});

/** Reads only a plain file: the agent may have put a pipe there that never gets a writer. */
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
