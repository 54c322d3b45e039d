import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { chmod, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import { ArchiveUnpacked, FileWritten, RemoteError } from "@wharf/contract";
import { createUsageError } from "../failure.ts";
import { formatSize } from "../render/numbers.ts";
import { HeldFolder } from "./held-folder.ts";
import { type Place, getTargetPath } from "./place.ts";
import type { RemoteFiles } from "./remote-files.ts";
import { readPieces } from "./request.ts";
import { unpackArchive } from "./unpack.ts";

export interface CopyResult {
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  readonly files: number;
  /** Lists paths from the runner that were not written here. */
  readonly skipped?: readonly string[];
}

/** Describes a finished copy for people. */
export const formatCopy = ({ bytes, to, skipped = [] }: CopyResult): string =>
  [
    `${formatSize(bytes)} to ${to}\n`,
    ...skipped.map((path) => `skipped: ${path} (a device, a hard link, or a link that leads out of the folder)\n`),
  ].join("");

interface CopyEnds {
  readonly from: Place;
  readonly to: Place;
  readonly signal: AbortSignal;
  /** Returns the files of the named runner or workspace. */
  readonly open: (id: string) => RemoteFiles | Promise<RemoteFiles>;
}

/**
 * Copies a file or a folder into a runner or out of it. A copy into an existing folder keeps its
 * name.
 */
export async function copyPath({ from: source, to: destination, signal, open }: CopyEnds): Promise<CopyResult> {
  if (source.runner !== undefined && destination.runner === undefined)
    return downloadPath(await open(source.runner), { path: source.path, to: destination.path, signal });
  if (source.runner === undefined && destination.runner !== undefined)
    return uploadPath(await open(destination.runner), { path: destination.path, from: source.path });
  throw createUsageError("one end of a copy must be RUNNER:PATH, and the other a local path");
}

async function downloadPath(
  files: RemoteFiles,
  { path, to: destination, signal }: { path: string; to: string; signal: AbortSignal },
): Promise<CopyResult> {
  const remoteStats = await files.getStats(path);
  const isFolder = (await stat(destination).catch(() => undefined))?.isDirectory() === true;
  const target = isFolder ? getTargetPath(destination, path) : destination;
  const source = `${files.id}:${path}`;
  if (remoteStats.type === "directory") {
    await mkdir(target, { recursive: true });
    // The caller may name a link to a folder; a folder named after the runner's must not be a link.
    await using folder = await HeldFolder.open(target, { followLink: target === destination }).catch(
      (error: unknown) => {
        throw createUsageError(`'${target}' is not a writable folder (${getErrorCode(error)})`);
      },
    );
    const answer = await files.packFolder(path);
    return { from: source, to: target, ...(await unpackArchive(folder, readPieces(answer, signal))) };
  }
  const answer = await files.download(path);
  const temporaryPath = join(dirname(target), `.${basename(target)}.${randomUUID().slice(0, 8)}`);
  try {
    const file = await open(temporaryPath, "wx", 0o600);
    let bytes = 0;
    try {
      for await (const piece of readPieces(answer, signal)) {
        await file.writeFile(piece);
        bytes += piece.length;
      }
    } finally {
      await file.close();
    }
    await chmod(temporaryPath, remoteStats.mode & 0o777 & ~process.umask());
    await rename(temporaryPath, target);
    return { from: source, to: target, bytes, files: 1 };
  } catch (error) {
    await rm(temporaryPath, { force: true });
    throw error;
  }
}

async function uploadPath(
  files: RemoteFiles,
  { path, from: source }: { path: string; from: string },
): Promise<CopyResult> {
  const localStats = await stat(source).catch((error: unknown) => {
    throw createUsageError(`'${source}' cannot be read: ${getErrorCode(error)}`);
  });
  const target = (await isRemoteFolder(files, path)) ? getTargetPath(path, source) : path;
  const destination = `${files.id}:${target}`;
  if (!localStats.isDirectory()) {
    const mode = localStats.mode & 0o777;
    const sending = { upload: createReadStream(source), length: localStats.size };
    const answer = await files.upload(
      { path: target, mode },
      // A pipe has no length, and a file in /proc a wrong one.
      localStats.isFile() && localStats.size > 0 ? sending : { ...sending, length: undefined },
    );
    return { from: source, to: destination, bytes: FileWritten.parse(await answer.json()).size_bytes, files: 1 };
  }
  const tar = spawn("tar", ["-cf", "-", "-C", source, "."], { stdio: ["ignore", "pipe", "pipe"] });
  const tarExit = waitForTar(tar);
  tarExit.catch(() => undefined);
  try {
    // Start reading here: unread output of a child that has exited is discarded.
    const archiveUpload = { upload: tar.stdout.pipe(new PassThrough()) };
    const answer = await files.unpackFolder(target, archiveUpload);
    await tarExit;
    const unpacked = ArchiveUnpacked.parse(await answer.json());
    return { from: source, to: destination, bytes: unpacked.bytes, files: unpacked.files };
  } finally {
    tar.kill();
  }
}

const getErrorCode = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error);

async function isRemoteFolder(files: RemoteFiles, path: string): Promise<boolean> {
  try {
    return (await files.getStats(path)).type === "directory";
  } catch (error) {
    if (error instanceof RemoteError && error.code === "file_not_found") return false;
    throw error;
  }
}

async function waitForTar(tar: ReturnType<typeof spawn>): Promise<void> {
  let output = "";
  tar.stderr?.on("data", (piece: Buffer) => (output = (output + piece.toString()).slice(-2_000)));
  let code: unknown;
  try {
    [code] = await once(tar, "close");
  } catch (error) {
    throw createUsageError(`copying a folder requires tar, which cannot be started (${String(error)})`);
  }
  if (code !== 0) throw createUsageError(`tar failed: ${output.trim() || String(code)}`);
}
