import { randomBytes } from "node:crypto";
import { access, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { GrowthWatch, removeLeftovers } from "./folder-size.ts";
import { toRemoteError } from "./git-error.ts";
import { clearStaleLocks, isLockedOut, tidyMirror } from "./housekeeping.ts";
import type { RunRemoteGit } from "./remote-git.ts";
import { readRemoteRefs, type RemoteRefs } from "./remote-refs.ts";
import type { Remote } from "./remote.ts";
import { type GitResult, runGit } from "./run-git.ts";

export interface SynchroniseOptions {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly maxRepositoryMb: number;
  readonly runRemoteGit: RunRemoteGit;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

/**
 * Branches and tags, but never the branches that tasks pushed to the mirror: a fetch neither
 * overwrites nor prunes these.
 */
const refspecs = [
  "+refs/heads/*:refs/heads/*",
  "+refs/tags/*:refs/tags/*",
  "^refs/heads/shadow/*",
  "^refs/heads/shadow",
];
const lockTimeoutMs = 1_000;

const isAccessible = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** Creates or updates the mirror. A new mirror appears whole or not at all. */
export async function synchroniseMirror(remote: Remote, options: SynchroniseOptions): Promise<RemoteRefs> {
  const refs = await readRemoteRefs(remote, options);
  const mirror = join(options.folder, `${remote.id}.git`);
  const hasMirror = await isAccessible(join(mirror, "HEAD"));
  await (hasMirror ? updateMirror : createMirror)(mirror, { ...options, remote, refs });
  return refs;
}

interface UpdateOptions extends SynchroniseOptions {
  readonly remote: Remote;
  readonly refs: RemoteRefs;
}

async function createMirror(mirror: string, options: UpdateOptions): Promise<void> {
  const { remote } = options;
  const unfinished = join(options.folder, `.new-${remote.id}-${randomBytes(4).toString("hex")}`);
  try {
    await mkdir(unfinished, { recursive: true, mode: 0o700 });
    const result = await runGit(["init", "--quiet", "--bare", "--template=", "--initial-branch=main", unfinished], {
      environment: options.environment,
      signal: options.signal,
    });
    if (result.code !== 0) throw toRemoteError(result.stderr, remote, options.folder);
    await updateMirror(unfinished, options);
    await writeFile(join(unfinished, "description"), `${remote.shown}\n`);
    await rm(mirror, { recursive: true, force: true });
    await rename(unfinished, mirror);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function updateMirror(mirror: string, options: UpdateOptions): Promise<void> {
  const { remote, refs } = options;
  await fetchRefs(mirror, remote, { ...options, refspecs, prune: true });
  const { environment, signal } = options;
  await runGit([`--git-dir=${mirror}`, "symbolic-ref", "HEAD", `refs/heads/${refs.defaultBranch}`], {
    environment,
    signal,
  });
  await tidyMirror(mirror, options);
}

/** Fetches one task's branch from the remote into a mirror that does not have it. */
export async function fetchShadowBranch(remote: Remote, branch: string, options: SynchroniseOptions): Promise<void> {
  const mirror = join(options.folder, `${remote.id}.git`);
  const ref = `refs/heads/${branch}`;
  const result = await runGit([`--git-dir=${mirror}`, "show-ref", "--verify", "--quiet", ref], options);
  if (result.code === 0) return;
  await fetchRefs(mirror, remote, { ...options, refspecs: [`${ref}:${ref}`], prune: false });
}

interface FetchOptions extends SynchroniseOptions {
  readonly refspecs: readonly string[];
  readonly prune: boolean;
}

async function fetchRefs(mirror: string, remote: Remote, options: FetchOptions): Promise<void> {
  using watch = await GrowthWatch.start(mirror, options.maxRepositoryMb * 1024 * 1024);
  const createTooLargeError = () =>
    new WharfError("repository_too_large", { url: remote.shown, limit_mb: options.maxRepositoryMb });
  const signal = AbortSignal.any([options.signal, watch.signal]);
  const fetching = { ...options, signal };
  try {
    let fetched = await fetchOnce(mirror, remote, fetching);
    // A git killed with the server leaves its lock behind, and nothing else would ever remove the
    // lock.
    if (fetched.code !== 0 && isLockedOut(fetched.stderr)) {
      await pause(lockTimeoutMs, undefined, { signal });
      await clearStaleLocks(mirror, lockTimeoutMs);
      fetched = await fetchOnce(mirror, remote, fetching);
    }
    if (await watch.check()) throw createTooLargeError();
    if (fetched.code !== 0) throw toRemoteError(fetched.stderr, remote, options.folder);
  } catch (thrown) {
    await removeLeftovers(mirror);
    throw watch.exceeded && !options.signal.aborted ? createTooLargeError() : thrown;
  }
}

function fetchOnce(mirror: string, remote: Remote, options: FetchOptions): Promise<GitResult> {
  const flags = [
    "--progress",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    ...(options.prune ? ["--prune"] : []),
  ];
  const args = ["fetch", ...flags, "--", remote.address, ...options.refspecs];
  const { environment, signal, onProgress, runRemoteGit } = options;
  return runRemoteGit({ phase: "fetch", remote, mirror, args, environment, signal, onLine: onProgress });
}
