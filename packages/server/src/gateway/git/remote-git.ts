import { type RepositoryPhase, WharfError } from "@wharf/contract";
import type { FindAddresses } from "../hosts/addresses.ts";
import type { AddressPolicy } from "./address-policy.ts";
import { type GitCredentials, removeLogin } from "./credentials/index.ts";
import { isLoginRefused } from "./git-error.ts";
import { connectToRemote, type Credential } from "./remote-connection.ts";
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
  readonly credentials: GitCredentials;
  readonly findAddresses: FindAddresses;
}

/**
 * Runs a git command that accesses a remote: in a slot of its host, within its limit, and only to
 * where the policy allows it.
 */
export type RunRemoteGit = (call: RemoteCall) => Promise<GitResult>;

export function createRemoteGit({ limits, policy, credentials, findAddresses }: RemoteGitOptions): RunRemoteGit {
  const fetches = new Slots(maxFetchesPerHost);
  const pushes = new Slots(maxPushesPerHost);
  return async ({ phase, remote, mirror, args, ...options }) => {
    const timeoutMs = limits[`${phase}Ms`];
    const createError = (errorPhase: RepositoryPhase) => () => createRemoteTimeout(remote, errorPhase, timeoutMs);
    const folder = mirror === undefined ? [] : [`--git-dir=${mirror}`];
    const runOnce = async () => {
      using connection = await connectToRemote(remote, {
        policy,
        credentials,
        findAddresses,
        args: folder,
        isPush: phase === "push",
        environment: options.environment,
        signal: options.signal,
      });
      const { environment, credential } = connection;
      // The host has seen the login, so its messages to people may contain it.
      const clean = (text: string) => (credential?.login ? removeLogin(text, credential.login) : text);
      const { onLine } = options;
      const result = await runGit([...folder, ...args], {
        ...options,
        ...(onLine && { onLine: (line) => onLine(clean(line)) }),
        environment,
        timeoutMs,
        createTimeoutError: createError(phase),
      });
      if (result.code !== 0 && connection.failure) throw connection.failure;
      const stdout = result.code === 0 ? result.stdout : clean(result.stdout);
      return { result: { ...result, stdout, stderr: clean(result.stderr) }, credential };
    };
    const runCommand = () => retryRefusedLogin(runOnce, remote);
    if (remote.host === undefined) return runCommand();
    const slots = phase === "push" ? pushes : fetches;
    const limit = { timeoutMs, createError: createError("wait") };
    using _slot = await slots.acquire(remote.host, { signal: options.signal, limit });
    return await runCommand();
  };
}

interface Attempt {
  readonly result: GitResult;
  readonly credential: Credential | undefined;
}

/** Tries a refused login once more if there is another one by now. */
async function retryRefusedLogin(runOnce: () => Promise<Attempt>, remote: Remote): Promise<GitResult> {
  let attempt = await runOnce();
  if (isRefused(attempt) && (await attempt.credential?.renew())) attempt = await runOnce();
  const { result, credential } = attempt;
  if (!credential || !isRefused(attempt)) return result;
  throw new WharfError(
    "git_credential_refused",
    { url: remote.shown, entry: credential.name },
    { cause: new Error(result.stderr.slice(-2_000)) },
  );
}

const isRefused = ({ result, credential }: Attempt): boolean =>
  credential !== undefined && result.code !== 0 && isLoginRefused(result.stderr);

export function createRemoteTimeout(remote: Remote, phase: RepositoryPhase, timeoutMs: number): WharfError {
  const host = remote.host ?? "this machine";
  return new WharfError("repository_timeout", { url: remote.shown, host, phase, after_s: timeoutMs / 1000 });
}
