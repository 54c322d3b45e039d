import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { chmod, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import { ArchiveUnpacked, FileWritten, RemoteError, runnerApi } from "@wharf/contract";
import { createUsageError } from "../failure.ts";
import type { Client } from "../server/client.ts";
import { HeldFolder } from "./held-folder.ts";
import { type Place, getTargetPath } from "./place.ts";
import { readPieces, requestStream } from "./request.ts";
import { unpackArchive } from "./unpack.ts";

export interface CopyResult {
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  readonly files: number;
  /** Lists paths from the runner that were not written here. */
  readonly skipped?: readonly string[];
}

interface CopyEnds {
  readonly from: Place;
  readonly to: Place;
  readonly signal: AbortSignal;
}

/**
 * Copies a file or a folder into a runner or out of it. A copy into an existing folder keeps its
 * name.
 */
export async function copyPath(
  client: Client,
  { from: source, to: destination, signal }: CopyEnds,
): Promise<CopyResult> {
  if (source.runner !== undefined && destination.runner === undefined)
    return downloadPath(client, { runner_id: source.runner, path: source.path, to: destination.path, signal });
  if (source.runner === undefined && destination.runner !== undefined)
    return uploadPath(client, { runner_id: destination.runner, path: destination.path, from: source.path, signal });
  throw createUsageError("one end of a copy must be RUNNER:PATH, and the other a local path");
}

async function downloadPath(
  client: Client,
  { runner_id, path, to: destination, signal }: { runner_id: string; path: string; to: string; signal: AbortSignal },
): Promise<CopyResult> {
  const params = { runner_id };
  const remoteStats = await client.call(runnerApi.statRunnerFile, { params, query: { path } }, { signal });
  const isFolder = (await stat(destination).catch(() => undefined))?.isDirectory() === true;
  const target = isFolder ? getTargetPath(destination, path) : destination;
  const source = `${runner_id}:${path}`;
  if (remoteStats.type === "directory") {
    await mkdir(target, { recursive: true });
    // The caller may name a link to a folder; a folder named after the runner's must not be a link.
    await using folder = await HeldFolder.open(target, { followLink: target === destination }).catch(
      (error: unknown) => {
        throw createUsageError(`'${target}' is not a writable folder (${getErrorCode(error)})`);
      },
    );
    const answer = await requestStream(
      client.locate,
      runnerApi.packRunnerFolder,
      { params, query: { path } },
      { signal },
    );
    return { from: source, to: target, ...(await unpackArchive(folder, readPieces(answer, signal))) };
  }
  const answer = await requestStream(
    client.locate,
    runnerApi.downloadRunnerFile,
    { params, query: { path } },
    { signal },
  );
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
  client: Client,
  { runner_id, path, from: source, signal }: { runner_id: string; path: string; from: string; signal: AbortSignal },
): Promise<CopyResult> {
  const params = { runner_id };
  const localStats = await stat(source).catch((error: unknown) => {
    throw createUsageError(`'${source}' cannot be read: ${getErrorCode(error)}`);
  });
  const target = (await isRemoteFolder(client, { runner_id, path, signal })) ? getTargetPath(path, source) : path;
  const destination = `${runner_id}:${target}`;
  if (!localStats.isDirectory()) {
    const mode = localStats.mode & 0o777;
    const sending = { signal, upload: createReadStream(source), length: localStats.size };
    const answer = await requestStream(
      client.locate,
      runnerApi.uploadRunnerFile,
      { params, query: { path: target, mode } },
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
    const archiveUpload = { signal, upload: tar.stdout.pipe(new PassThrough()) };
    const answer = await requestStream(
      client.locate,
      runnerApi.unpackRunnerFolder,
      { params, query: { path: target } },
      archiveUpload,
    );
    await tarExit;
    const { bytes, files } = ArchiveUnpacked.parse(await answer.json());
    return { from: source, to: destination, bytes, files };
  } finally {
    tar.kill();
  }
}

const getErrorCode = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error);

async function isRemoteFolder(
  client: Client,
  { runner_id, path, signal }: { runner_id: string; path: string; signal: AbortSignal },
): Promise<boolean> {
  try {
    const { type } = await client.call(
      runnerApi.statRunnerFile,
      { params: { runner_id }, query: { path } },
      { signal },
    );
    return type === "directory";
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
