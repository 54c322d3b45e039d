import { type RepositoryPhase, WharfError } from "@wharf/contract";
import type { FindAddresses } from "../hosts/addresses.ts";
import type { AddressPolicy } from "./address-policy.ts";
import { connectToRemote } from "./remote-connection.ts";
import type { Remote } from "./remote.ts";
import { type GitResult, type GitRunOptions, runGit } from "./run-git.ts";
import { Slots } from "./slots.ts";

/**
 * Wall-clock limits of the commands that access a remote. A command also waits at most this long
 * for a slot of its host.
 */
export interface NetworkLimits {
  /** @default 60 s */
  readonly listMs: number;
  /** @default 300 s */
  readonly fetchMs: number;
  /** @default 300 s */
  readonly pushMs: number;
}

export const defaultNetworkLimits: NetworkLimits = { listMs: 60_000, fetchMs: 300_000, pushMs: 300_000 };

/**
 * Maximum concurrent connections to one host, across repositories; with more connections, hosts
 * become slow or refuse.
 */
const maxFetchesPerHost = 2;
const maxPushesPerHost = 1;

export interface RemoteCall extends Pick<GitRunOptions, "environment" | "signal" | "onLine" | "maxBytes"> {
  readonly phase: "list" | "fetch" | "push";
  readonly remote: Remote;
  /** The folder of the mirror, if the command uses one. */
  readonly mirror?: string;
  readonly args: readonly string[];
}

export interface RemoteGitOptions {
  readonly limits: NetworkLimits;
  readonly policy: AddressPolicy;
  readonly findAddresses: FindAddresses;
}

/**
 * Runs a git command that accesses a remote: in a slot of its host, within its limit, and only to
 * where the policy allows it.
 */
export type RunRemoteGit = (call: RemoteCall) => Promise<GitResult>;

export function createRemoteGit({ limits, policy, findAddresses }: RemoteGitOptions): RunRemoteGit {
  const fetches = new Slots(maxFetchesPerHost);
  const pushes = new Slots(maxPushesPerHost);
  return async ({ phase, remote, mirror, args, ...options }) => {
    const timeoutMs = limits[`${phase}Ms`];
    const createError = (errorPhase: RepositoryPhase) => () => createRemoteTimeout(remote, errorPhase, timeoutMs);
    const folder = mirror === undefined ? [] : [`--git-dir=${mirror}`];
    const runCommand = async () => {
      using connection = await connectToRemote(remote, {
        policy,
        findAddresses,
        args: folder,
        isPush: phase === "push",
        environment: options.environment,
        signal: options.signal,
      });
      const { environment } = connection;
      const createTimeoutError = createError(phase);
      const result = await runGit([...folder, ...args], { ...options, environment, timeoutMs, createTimeoutError });
      if (result.code !== 0 && connection.failure) throw connection.failure;
      return result;
    };
    if (remote.host === undefined) return runCommand();
    const slots = phase === "push" ? pushes : fetches;
    const limit = { timeoutMs, createError: createError("wait") };
    using _slot = await slots.acquire(remote.host, { signal: options.signal, limit });
    return await runCommand();
  };
}

export function createRemoteTimeout(remote: Remote, phase: RepositoryPhase, timeoutMs: number): WharfError {
  const host = remote.host ?? "this machine";
  return new WharfError("repository_timeout", { url: remote.shown, host, phase, after_s: timeoutMs / 1000 });
}
