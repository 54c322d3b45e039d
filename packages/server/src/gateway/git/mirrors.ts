import { mkdirSync } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { AddressFinder, type FindAddresses } from "../hosts/addresses.ts";
import { type AddressPolicy, requireAllowedAddress } from "./address-policy.ts";
import { parseAddress } from "./address.ts";
import { GitCredentials } from "./credentials/index.ts";
import { startDeadline } from "./deadline.ts";
import { type GitConfig, toServedEnvironment } from "./environment.ts";
import { forwardBranch } from "./forward.ts";
import { createHostEnvironment } from "./host-environment.ts";
import { removeUnfinishedMirrors } from "./housekeeping.ts";
import { defaultPushLimits, inspectPush, type PushLimits } from "./inspect-push.ts";
import { findLeftOutParts, type LeftOutPart } from "./left-out.ts";
import { createLocks } from "./locks.ts";
import { MirrorSizes } from "./mirror-size.ts";
import { MirrorUse } from "./mirror-use.ts";
import { prepareHooks } from "./push-gate.ts";
import { defaultReadLimits, MirrorReader, type ReadLimits } from "./reading/mirror-reader.ts";
import { createRemoteGit, createRemoteTimeout, defaultNetworkLimits, type NetworkLimits } from "./remote-git.ts";
import { readRemoteRefs, type RemoteRefs } from "./remote-refs.ts";
import { isShadowBranch, parseRemote, refuseRemoteInside, type Remote } from "./remote.ts";
import { removeBranches } from "./remove-branches.ts";
import { runGit } from "./run-git.ts";
import { type PushScan, scanPush } from "./scan/scan-push.ts";
import { createShared } from "./shared-work.ts";
import { Slots } from "./slots.ts";
import { fetchShadowBranch, synchroniseMirror } from "./synchronise-mirror.ts";

export interface EnsureOptions {
  /** The task's organisation; organisations share no mirror. */
  readonly organization_id?: string;
  readonly signal?: AbortSignal;
  /** Receives git's own progress, line by line. */
  readonly onProgress?: (line: string) => void;
  /** A task's branch, fetched from the remote if the mirror does not have it. */
  readonly shadow_branch?: string;
  /** Limit of the whole call, besides the limits of its commands. */
  readonly timeoutMs?: number;
}

export interface ListBranchesOptions {
  /** The organisation whose logins are used. */
  readonly organization_id?: string;
  readonly signal?: AbortSignal;
}

export interface ForwardInput {
  readonly organization_id?: string;
  readonly url: string;
  readonly repository_id: string;
  readonly branch: string;
  readonly sha: string;
  readonly signal?: AbortSignal;
  /** Limit of the whole call, besides the limits of its commands. */
  readonly timeoutMs?: number;
}

/** Bare copies of repositories, outside of every runner. */
export interface Mirrors {
  readonly folder: string;
  readonly maxRepositoryMb: number;
  /** Throws if tasks may not name this repository. Whether it exists is not checked. */
  checkAddress(url: string): void;
  /** Creates or updates the mirror. Concurrent calls for one URL share one fetch. */
  ensure(url: string, options?: EnsureOptions): Promise<{ repository_id: string; default_branch: string }>;
  /** Asks the remote for its branches. Concurrent calls for one URL share one answer. */
  listBranches(url: string, options?: ListBranchesOptions): Promise<RemoteRefs>;
  path(repositoryId: string): string;
  head(repositoryId: string, branch: string): Promise<string | undefined>;
  exists(repositoryId: string): Promise<boolean>;
  /** Returns whether the mirror holds this commit. */
  has(repositoryId: string, sha: string): Promise<boolean>;
  /** Returns which parts of a commit the server does not fetch. */
  findLeftOutParts(repositoryId: string, commit: string, signal?: AbortSignal): Promise<LeftOutPart[]>;
  openReader(repositoryId: string): MirrorReader;
  /**
   * Removes tasks' branches, then objects that nothing else needs. While the mirror has writers, a
   * later push or fetch removes these objects.
   */
  removeBranches(repositoryId: string, branches: readonly string[]): Promise<void>;
  /** Returns the reason why a mirror accepts no push, if any. */
  findPushObstacle(repositoryId: string): Promise<string | undefined>;
  /** Writes the hook that inspects each push, and returns its folder. */
  prepareHooks(): Promise<string>;
  /** Returns the reason to reject the objects that git holds in a push's quarantine, if any. */
  inspectPush(repositoryId: string, quarantine: string, signal: AbortSignal): Promise<string | undefined>;
  /** Returns the reason to reject a push for the secrets that it adds, if any. */
  scanPush(repositoryId: string, scan: Omit<PushScan, "mirror" | "environment">): Promise<string | undefined>;
  /**
   * Enters a mirror as a writer for a push. Disposing leaves the mirror and brings it back within
   * its limit.
   */
  startPush(repositoryId: string, signal: AbortSignal): Promise<AsyncDisposable>;
  /** Pushes a branch of the mirror to the real remote. */
  forward(input: ForwardInput): Promise<void>;
  /** Returns the environment in which git serves a mirror to a runner. */
  servingEnvironment(config: GitConfig): Record<string, string>;
}

export interface MirrorsOptions {
  readonly folder: string;
  readonly maxRepositoryMb: number;
  /** Wharf's own folder, from which it accepts no repository. @default the mirrors' folder */
  readonly privateFolder?: string;
  /** Maximum size of a mirror, including unreachable objects. @default twice `maxRepositoryMb` */
  readonly maxMirrorMb?: number;
  /** The server's own environment, of which git gets only the variables that its logins need. */
  readonly gitEnvironment?: Readonly<Record<string, string>>;
  readonly policy: AddressPolicy;
  /** Logins for git hosts. @default those of the server's user */
  readonly credentials?: GitCredentials;
  /** Resolves names. @default as this machine does */
  readonly findAddresses?: FindAddresses;
  readonly networkLimits?: Partial<NetworkLimits>;
  readonly readLimits?: Partial<ReadLimits>;
  readonly pushLimits?: Partial<PushLimits>;
}

/** A person waits for the list of branches. */
const branchListTimeoutMs = 20_000;
/** How many remotes an organisation asks for their branches at the same time. */
const maxBranchLists = 4;
const ignoreProgress = () => undefined;
const isCommitId = (sha: string): boolean => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(sha);

export function openMirrors(options: MirrorsOptions): Mirrors {
  const { folder, maxRepositoryMb, policy, gitEnvironment = {} } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const locks = createLocks();
  const mirrorEnvironment = toServedEnvironment(gitEnvironment);
  const cleanup = removeUnfinishedMirrors(folder);
  const runRemoteGit = createRemoteGit({
    limits: { ...defaultNetworkLimits, ...options.networkLimits },
    policy,
    credentials: options.credentials ?? new GitCredentials({ file: undefined, environment: {} }),
    findAddresses: options.findAddresses ?? new AddressFinder().find,
  });
  const getHostEnvironment = createHostEnvironment(gitEnvironment);
  const limits = { ...defaultReadLimits, ...options.readLimits };
  const use = new MirrorUse();
  const resolveRemote = async (url: string, organizationId = ""): Promise<Remote> => {
    const remote = await parseRemote(url, { policy, organizationId });
    await refuseRemoteInside(options.privateFolder ?? folder, remote);
    return remote;
  };

  const getMirrorPath = (repositoryId: string): string => {
    if (!/^[0-9a-f]{20}$/.test(repositoryId)) throw new WharfError("mirror_not_found", { id: repositoryId });
    return join(folder, `${repositoryId}.git`);
  };
  const maxMirrorMb = options.maxMirrorMb ?? 2 * maxRepositoryMb;
  const sizes = new MirrorSizes({ use, environment: mirrorEnvironment, maxMirrorMb, getPath: getMirrorPath });

  const pushLimits: PushLimits = {
    ...defaultPushLimits,
    maxUnpackedMb: maxRepositoryMb,
    // A mirror within its limit accepts a push; the objects that the push replaces are removed
    // after it.
    maxTotalMb: maxMirrorMb + maxRepositoryMb,
    ...options.pushLimits,
  };

  /**
   * Fetches into a mirror, one fetch after the other, and brings the mirror back within its limit.
   */
  const fetchInto = <T>(remote: Remote, signal: AbortSignal, work: () => Promise<T>): Promise<T> =>
    locks.run(
      remote.id,
      async () => {
        const result = await use.runShared(remote.id, signal, work);
        // A mirror that cannot be trimmed, for example on a full disk, is still served; it accepts
        // no push while it is too large.
        await sizes.trim(remote.id).catch(() => undefined);
        return result;
      },
      signal,
    );
  const fetches = createShared<Remote, RemoteRefs>(async (remote, { signal, onProgress }) => {
    await cleanup;
    const environment = await getHostEnvironment();
    const context = { folder, environment, maxRepositoryMb, runRemoteGit, signal, onProgress };
    return fetchInto(remote, signal, () => synchroniseMirror(remote, context));
  });

  const branchLists = createShared<Remote, RemoteRefs>(async (remote, { signal }) =>
    readRemoteRefs(remote, { environment: await getHostEnvironment(), folder, runRemoteGit, signal }),
  );
  const branchListSlots = new Slots(maxBranchLists);

  const mirrors: Mirrors = {
    folder,
    maxRepositoryMb,
    path: getMirrorPath,
    checkAddress: (url) => requireAllowedAddress(parseAddress(url), policy),
    async ensure(url, { onProgress = ignoreProgress, organization_id, shadow_branch, timeoutMs, ...caller } = {}) {
      const remote = await resolveRemote(url, organization_id);
      using deadline = startDeadline(caller.signal, timeoutMs, () =>
        createRemoteTimeout(remote, "fetch", timeoutMs ?? 0),
      );
      const { signal } = deadline;
      const refs = await fetches.join(remote.id, remote, { signal, onProgress });
      if (shadow_branch !== undefined && refs.branches.has(shadow_branch) && isShadowBranch(shadow_branch)) {
        const environment = await getHostEnvironment();
        const context = { folder, environment, maxRepositoryMb, runRemoteGit, signal, onProgress };
        await fetchInto(remote, signal, () => fetchShadowBranch(remote, shadow_branch, context));
      }
      return { repository_id: remote.id, default_branch: refs.defaultBranch };
    },
    async listBranches(url, { organization_id, signal: callerSignal } = {}) {
      const remote = await resolveRemote(url, organization_id);
      const createError = () => createRemoteTimeout(remote, "list", branchListTimeoutMs);
      using deadline = startDeadline(callerSignal, branchListTimeoutMs, createError);
      const { signal } = deadline;
      using _slot = await branchListSlots.acquire(remote.organizationId, { signal });
      return await branchLists.join(remote.id, remote, { signal, onProgress: ignoreProgress });
    },
    async head(repositoryId, branch) {
      const result = await runGit(
        [`--git-dir=${getMirrorPath(repositoryId)}`, "show-ref", "--verify", "--hash", `refs/heads/${branch}`],
        { environment: mirrorEnvironment },
      );
      return result.code === 0 ? result.stdout.trim() : undefined;
    },
    exists: (repositoryId) =>
      access(join(getMirrorPath(repositoryId), "HEAD")).then(
        () => true,
        () => false,
      ),
    async has(repositoryId, sha) {
      if (!isCommitId(sha)) return false;
      const args = [`--git-dir=${getMirrorPath(repositoryId)}`, "cat-file", "-e", `${sha}^{commit}`];
      return (await runGit(args, { environment: mirrorEnvironment })).code === 0;
    },
    findLeftOutParts: async (repositoryId, commit, signal) =>
      findLeftOutParts({ mirror: getMirrorPath(repositoryId), commit, environment: mirrorEnvironment, signal }),
    async removeBranches(repositoryId, branches) {
      if (branches.length === 0 || !(await mirrors.exists(repositoryId))) return;
      await removeBranches({ mirror: getMirrorPath(repositoryId), environment: mirrorEnvironment, branches });
      sizes.markWaste(repositoryId);
      await sizes.trim(repositoryId);
    },
    prepareHooks: () => prepareHooks(join(folder, ".hooks")),
    inspectPush: async (repositoryId, quarantine, signal) =>
      inspectPush({
        mirror: getMirrorPath(repositoryId),
        quarantine,
        environment: mirrorEnvironment,
        limits: pushLimits,
        signal,
      }),
    scanPush: async (repositoryId, scan) =>
      scanPush({ ...scan, mirror: getMirrorPath(repositoryId), environment: mirrorEnvironment }),
    findPushObstacle: (repositoryId) => sizes.findObstacle(repositoryId),
    async startPush(repositoryId, signal) {
      const share = await use.share(repositoryId, signal);
      return {
        [Symbol.asyncDispose]: async () => {
          share[Symbol.dispose]();
          await sizes.trim(repositoryId);
        },
      };
    },
    openReader: (repositoryId) =>
      new MirrorReader({ mirror: getMirrorPath(repositoryId), environment: mirrorEnvironment, limits }),
    async forward({ url, organization_id, repository_id, branch, sha, timeoutMs, ...caller }) {
      const ref = `refs/heads/${branch}`;
      if (!isShadowBranch(branch))
        throw new WharfError("push_rejected", { ref, reason: "only branches under shadow/ are forwarded" });
      if (!isCommitId(sha)) throw new WharfError("push_rejected", { ref, reason: `'${sha}' is not a commit` });
      const remote = await resolveRemote(url, organization_id);
      if (remote.id !== repository_id)
        throw new WharfError("push_rejected", {
          ref,
          reason: `the mirror ${repository_id} is not a mirror of ${remote.shown}`,
        });
      using deadline = startDeadline(caller.signal, timeoutMs, () =>
        createRemoteTimeout(remote, "push", timeoutMs ?? 0),
      );
      const { signal } = deadline;
      const environment = await getHostEnvironment();
      const mirror = getMirrorPath(repository_id);
      await locks.run(
        `${repository_id} ${branch}`,
        () => forwardBranch({ mirror, remote, branch, sha, environment, folder, runRemoteGit, signal }),
        signal,
      );
    },
    servingEnvironment: (config) => toServedEnvironment(gitEnvironment, config),
  };
  return mirrors;
}
