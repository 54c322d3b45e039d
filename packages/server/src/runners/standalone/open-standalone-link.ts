import { WharfError } from "@wharf/contract";
import { IsolationWatch } from "../connections/isolation-watch.ts";
import type { Link } from "../connections/link.ts";
import { type LeasedLinkOptions, openLeasedLink } from "../connections/open-leased-link.ts";
import { type LeaseKeeper, LeaseLost, type Tenure } from "../leases/index.ts";
import type { WarmPool } from "../pool/index.ts";
import type { Runners } from "../runners.ts";
import { createRunnerSpec, createUnusableError } from "../workers/runner-worker.ts";
import { createStandaloneContext } from "./standalone-context.ts";
import { type ReadyRunnerSources, waitUntilReady } from "./wait-until-ready.ts";

export interface StandaloneLinkOptions extends LeasedLinkOptions, ReadyRunnerSources {
  readonly runners: Runners;
  readonly leases: Pick<LeaseKeeper, "find">;
  /** Hands over the link of a runner that was claimed from the pool. */
  readonly pool: Pick<WarmPool, "handOver">;
  /** Timeout for a daemon's answer on the link. */
  readonly connectMs: number;
  /** Whether to refuse a runner whose isolation is ineffective. */
  readonly requireIsolation?: boolean;
}

/** Errors that a restart of the daemon would not fix. */
const finalCodes: ReadonlySet<string> = new Set(["runner_hostile", "isolation_unenforced"]);
const createTimeoutMs = 120_000;
const stopTimeoutMs = 90_000;

/**
 * Opens a link to a standalone runner. A dead daemon is restarted, and after the second failure to
 * answer the runner is stopped first. The gateway allows the runner only the model route that its
 * owner chose.
 */
export async function openStandaloneLink(
  options: StandaloneLinkOptions,
  id: string,
  signal: AbortSignal,
): Promise<Link> {
  const { backend, runners, keys, pool, connectMs } = options;
  const context = createStandaloneContext(options, id);
  const warm = pool.handOver(id, context);
  if (warm) return watchIsolation(options, getTenure(options, id), warm);
  for (let tries = 0; ; tries++) {
    await waitUntilReady(options, id, signal);
    const tenure = getTenure(options, id);
    const runner = await runners.get(id);
    if (!runner) throw new WharfError("runner_not_found", { id });
    if (runner.state === "ERROR") throw createUnusableError(runner);
    const signals = [signal];
    await tenure.runStep({ name: "create", maxMs: createTimeoutMs, signals }, (stepSignal) =>
      backend.create(createRunnerSpec(runner, keys), stepSignal),
    );
    try {
      const link = await tenure.runStep({ name: "connect", maxMs: connectMs, signals }, (stepSignal) =>
        openLeasedLink(options, { tenure, context }, stepSignal),
      );
      return await watchIsolation(options, tenure, link);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof LeaseLost) throw createUnavailableError(id, "another server took it over");
      if (error instanceof WharfError && finalCodes.has(error.code)) throw error;
      // The first failure may be this server's fault, the second is the daemon's.
      if (tries > 0) await tenure.runStep({ name: "stop", maxMs: stopTimeoutMs, signals }, () => backend.stop(id));
      if (tries > 1)
        throw isIncompatible(error)
          ? error
          : createUnavailableError(id, "its daemon does not answer, even after a restart", error);
    }
  }
}

function getTenure({ leases }: StandaloneLinkOptions, id: string): Tenure {
  const tenure = leases.find(id);
  if (!tenure) throw createUnavailableError(id, "another server is taking it over");
  return tenure;
}

/** A restart installs this server's runtime, unless the image itself contains another version. */
const isIncompatible = (error: unknown) => error instanceof WharfError && error.code === "runner_incompatible";

const createUnavailableError = (runnerId: string, reason: string, cause?: unknown) =>
  new WharfError("runner_unavailable", { runner_id: runnerId, reason }, { cause });

async function watchIsolation(
  { runners, requireIsolation }: StandaloneLinkOptions,
  { lease }: Tenure,
  link: Link,
): Promise<Link> {
  const watch = new IsolationWatch({ link, lease, rows: runners, required: requireIsolation ?? false });
  try {
    await watch.verified;
  } catch (error) {
    await link[Symbol.asyncDispose]();
    throw error;
  }
  watch.refused.catch(() => link[Symbol.asyncDispose]());
  return link;
}
