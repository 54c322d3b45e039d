import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { chmod, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import { ArchiveUnpacked, FileWritten, RemoteError, runnerApi } from "@wharf/contract";
import type { Client } from "../client.ts";
import { usageError } from "../failure.ts";
import { HeldFolder } from "./held-folder.ts";
import { type Place, within } from "./place.ts";
import { piecesOf, request } from "./request.ts";
import { unpack } from "./unpack.ts";

export interface Copied {
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  readonly files: number;
  /** What the runner sent and was not written here. */
  readonly skipped?: readonly string[];
}

interface Ends {
  readonly from: Place;
  readonly to: Place;
  readonly signal: AbortSignal;
}

/** Copies a file or a folder into a runner or out of it. Into a folder that is there it goes under its own name. */
export async function copy(client: Client, { from, to, signal }: Ends): Promise<Copied> {
  if (from.runner !== undefined && to.runner === undefined)
    return download(client, { runner_id: from.runner, path: from.path, to: to.path, signal });
  if (from.runner === undefined && to.runner !== undefined)
    return upload(client, { runner_id: to.runner, path: to.path, from: from.path, signal });
  throw usageError("one end of a copy is in a runner, as RUNNER:PATH, and the other here");
}

async function download(
  client: Client,
  { runner_id, path, to, signal }: { runner_id: string; path: string; to: string; signal: AbortSignal },
): Promise<Copied> {
  const params = { runner_id };
  const there = await client.call(runnerApi.statRunnerFile, { params, query: { path } }, { signal });
  const isFolder = (await stat(to).catch(() => undefined))?.isDirectory() === true;
  const target = isFolder ? within(to, path) : to;
  const from = `${runner_id}:${path}`;
  if (there.type === "directory") {
    await mkdir(target, { recursive: true });
    // A folder that the caller named may be a link; one that has the name of the runner's folder may not.
    await using folder = await HeldFolder.open(target, { followLink: target === to }).catch((error: unknown) => {
      throw usageError(`'${target}' is no folder that can be written into (${describeError(error)})`);
    });
    const answer = await request(client.locate, runnerApi.packRunnerFolder, { params, query: { path } }, { signal });
    return { from, to: target, ...(await unpack(folder, piecesOf(answer, signal))) };
  }
  const answer = await request(client.locate, runnerApi.downloadRunnerFile, { params, query: { path } }, { signal });
  const fresh = join(dirname(target), `.${basename(target)}.${randomUUID().slice(0, 8)}`);
  try {
    const file = await open(fresh, "wx", 0o600);
    let bytes = 0;
    try {
      for await (const piece of piecesOf(answer, signal)) {
        await file.writeFile(piece);
        bytes += piece.length;
      }
    } finally {
      await file.close();
    }
    await chmod(fresh, there.mode & 0o777 & ~process.umask());
    await rename(fresh, target);
    return { from, to: target, bytes, files: 1 };
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}

async function upload(
  client: Client,
  { runner_id, path, from, signal }: { runner_id: string; path: string; from: string; signal: AbortSignal },
): Promise<Copied> {
  const params = { runner_id };
  const here = await stat(from).catch((error: unknown) => {
    throw usageError(`'${from}' cannot be read: ${describeError(error)}`);
  });
  const target = (await isFolderThere(client, { runner_id, path, signal })) ? within(path, from) : path;
  const to = `${runner_id}:${target}`;
  if (!here.isDirectory()) {
    const mode = here.mode & 0o777;
    const sending = { signal, upload: createReadStream(from), length: here.size };
    const answer = await request(
      client.locate,
      runnerApi.uploadRunnerFile,
      { params, query: { path: target, mode } },
      // A pipe has no length, and a file in /proc a wrong one.
      here.isFile() && here.size > 0 ? sending : { ...sending, length: undefined },
    );
    return { from, to, bytes: FileWritten.parse(await answer.json()).size_bytes, files: 1 };
  }
  const tar = spawn("tar", ["-cf", "-", "-C", from, "."], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = tarEnded(tar);
  ended.catch(() => undefined);
  try {
    // Read from now on: what a child that has ended left unread is thrown away.
    const sent = { signal, upload: tar.stdout.pipe(new PassThrough()) };
    const answer = await request(
      client.locate,
      runnerApi.unpackRunnerFolder,
      { params, query: { path: target } },
      sent,
    );
    await ended;
    const { bytes, files } = ArchiveUnpacked.parse(await answer.json());
    return { from, to, bytes, files };
  } finally {
    tar.kill();
  }
}

const describeError = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error);

async function isFolderThere(
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
    if (error instanceof RemoteError && error.code === "not_found" && error.problem.context?.["what"] !== "runner")
      return false;
    throw error;
  }
}

async function tarEnded(tar: ReturnType<typeof spawn>): Promise<void> {
  let said = "";
  tar.stderr?.on("data", (piece: Buffer) => (said = (said + piece.toString()).slice(-2_000)));
  let code: unknown;
  try {
    [code] = await once(tar, "close");
  } catch (error) {
    throw usageError(`folders are copied with tar, which cannot be started (${String(error)})`);
  }
  if (code !== 0) throw usageError(`tar could not do it: ${said.trim() || String(code)}`);
}
