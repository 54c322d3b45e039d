import { WharfError } from "@wharf/contract";
import type { Backend } from "../backends/index.ts";
import type { Gateway } from "../gateway/index.ts";
import type { HandMadeRunners } from "./hand-made.ts";
import type { Keys } from "./keys.ts";
import { IsolationWatch } from "./isolation-watch.ts";
import { type Link, openLink } from "./link.ts";
import type { WarmPool } from "./pool/index.ts";
import type { Runners } from "./runners.ts";

export interface OwnLinkOptions {
  readonly backend: Backend;
  readonly runners: Runners;
  readonly keys: Keys;
  readonly gateway: Pick<Gateway, "handle" | "handleConnect">;
  readonly handMade: Pick<HandMadeRunners, "ensure">;
  /** Hands over the wire of one that was claimed from the pool. */
  readonly pool: Pick<WarmPool, "handOver">;
  /** How long a daemon may take to answer the wire. */
  readonly connectMs: number;
  /** Whether a runner whose walls do not hold is refused. */
  readonly requireIsolation?: boolean;
}

/** Starting it anew would change nothing. */
const final: ReadonlySet<string> = new Set(["runner_hostile", "isolation_unenforced"]);

/**
 * Opens a wire to a runner that was created by hand. A daemon that has died is started anew, and one that does not answer
 * is ended first. Nothing leads out of such a runner: the gateway knows no run for it and denies everything.
 */
export async function openOwnLink(options: OwnLinkOptions, id: string, signal: AbortSignal): Promise<Link> {
  const { backend, runners, keys, gateway, handMade, connectMs } = options;
  const context = async () => undefined;
  const warm = options.pool.handOver(id, context);
  if (warm) return watched(options, id, warm);
  for (let tries = 0; ; tries++) {
    await handMade.ensure(id);
    signal.throwIfAborted();
    const epoch = await runners.nextEpoch(id);
    const until = AbortSignal.any([signal, AbortSignal.timeout(connectMs)]);
    try {
      const link = await openLink({ backend, runner_id: id, epoch, key: keys.wire(id), gateway, context }, until);
      return await watched(options, id, link);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof WharfError && final.has(error.code)) throw error;
      await backend.stop(id);
      if (tries > 0) {
        const reason = "its daemon does not answer, though it was started anew";
        throw new WharfError("runner_unavailable", { runner_id: id, reason }, { cause: error });
      }
    }
  }
}

async function watched({ runners, requireIsolation }: OwnLinkOptions, id: string, link: Link): Promise<Link> {
  const watch = new IsolationWatch({ link, runnerId: id, rows: runners, required: requireIsolation ?? false });
  try {
    await watch.settled;
  } catch (error) {
    await link[Symbol.asyncDispose]();
    throw error;
  }
  watch.refused.catch(() => link[Symbol.asyncDispose]());
  return link;
}
