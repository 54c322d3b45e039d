import { WharfError } from "@wharf/contract";
import { IsolationWatch } from "./isolation-watch.ts";
import { type LeaseKeeper, LeaseLost, type Tenure } from "./leases/index.ts";
import type { Link } from "./link.ts";
import { type LeasedLinkOptions, openLeasedLink } from "./open-leased-link.ts";
import type { WarmPool } from "./pool/index.ts";
import { specify, unusable } from "./runner-worker.ts";
import type { Runners } from "./runners.ts";
import { createStandaloneContext } from "./standalone-context.ts";

export interface OwnLinkOptions extends LeasedLinkOptions {
  readonly runners: Runners;
  readonly leases: Pick<LeaseKeeper, "find">;
  /** Resolves when a runner that is being created is ready. */
  readonly settled: (id: string, signal: AbortSignal) => Promise<void>;
  /** Hands over the wire of one that was claimed from the pool. */
  readonly pool: Pick<WarmPool, "handOver">;
  /** How long a daemon may take to answer the wire. */
  readonly connectMs: number;
  /** Whether a runner whose walls do not hold is refused. */
  readonly requireIsolation?: boolean;
}

/** Starting the daemon again would change nothing. */
const finalCodes: ReadonlySet<string> = new Set(["runner_hostile", "isolation_unenforced"]);
const createMs = 120_000;
const stopMs = 90_000;

/**
 * Opens a wire to a runner that a person created. A daemon that has died is started again, and one that does not answer
 * twice is stopped first. Nothing leads out of such a runner but the model route that its owner allowed.
 */
export async function openOwnLink(options: OwnLinkOptions, id: string, signal: AbortSignal): Promise<Link> {
  const { backend, runners, keys, settled, pool, connectMs } = options;
  const context = createStandaloneContext(options, id);
  const warm = pool.handOver(id, context);
  if (warm) return watched(options, findTenure(options, id), warm);
  for (let tries = 0; ; tries++) {
    await settled(id, signal);
    const tenure = findTenure(options, id);
    const runner = await runners.get(id);
    if (!runner) throw new WharfError("not_found", { what: "runner", id });
    if (runner.state === "ERROR") throw unusable(runner);
    const signals = [signal];
    await tenure.step({ name: "create", maxMs: createMs, signals }, (until) =>
      backend.create(specify(runner, keys), until),
    );
    try {
      const link = await tenure.step({ name: "connect", maxMs: connectMs, signals }, (until) =>
        openLeasedLink(options, { tenure, context }, until),
      );
      return await watched(options, tenure, link);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof LeaseLost) throw away(id, "another server took it over");
      if (error instanceof WharfError && finalCodes.has(error.code)) throw error;
      // Once may be this server's fault, twice is the daemon's.
      if (tries > 0) await tenure.step({ name: "stop", maxMs: stopMs, signals }, () => backend.stop(id));
      if (tries > 1)
        throw isIncompatible(error) ? error : away(id, "its daemon does not answer, even after a new start", error);
    }
  }
}

function findTenure({ leases }: OwnLinkOptions, id: string): Tenure {
  const tenure = leases.find(id);
  if (!tenure) throw away(id, "another server is about to take it over");
  return tenure;
}

/** A new start brings the kit of this server, where it is not the image that is of another version. */
const isIncompatible = (error: unknown) => error instanceof WharfError && error.code === "runner_incompatible";

const away = (runner_id: string, reason: string, cause?: unknown) =>
  new WharfError("runner_unavailable", { runner_id, reason }, { cause });

async function watched({ runners, requireIsolation }: OwnLinkOptions, { lease }: Tenure, link: Link): Promise<Link> {
  const watch = new IsolationWatch({ link, lease, rows: runners, required: requireIsolation ?? false });
  try {
    await watch.settled;
  } catch (error) {
    await link[Symbol.asyncDispose]();
    throw error;
  }
  watch.refused.catch(() => link[Symbol.asyncDispose]());
  return link;
}
