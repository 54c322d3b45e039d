import { WharfError } from "@wharf/contract";
import type { Backend } from "../backends/index.ts";
import type { Gateway } from "../gateway/index.ts";
import type { HandMadeRunners } from "./hand-made.ts";
import type { Keys } from "./keys.ts";
import { type Link, openLink } from "./link.ts";
import type { Runners } from "./runners.ts";

export interface OwnLinkOptions {
  readonly backend: Backend;
  readonly runners: Runners;
  readonly keys: Keys;
  readonly gateway: Pick<Gateway, "handle" | "handleConnect">;
  readonly handMade: Pick<HandMadeRunners, "ensure">;
  /** How long a daemon may take to answer the wire. */
  readonly connectMs: number;
}

/**
 * Opens a wire to a runner that was created by hand. A daemon that has died is started anew, and one that does not answer
 * is ended first. Nothing leads out of such a runner: the gateway knows no run for it and denies everything.
 */
export async function openOwnLink(options: OwnLinkOptions, id: string, signal: AbortSignal): Promise<Link> {
  const { backend, runners, keys, gateway, handMade, connectMs } = options;
  for (let tries = 0; ; tries++) {
    await handMade.ensure(id);
    signal.throwIfAborted();
    const epoch = await runners.nextEpoch(id);
    const until = AbortSignal.any([signal, AbortSignal.timeout(connectMs)]);
    try {
      return await openLink(
        { backend, runner_id: id, epoch, key: keys.wire(id), gateway, context: async () => undefined },
        until,
      );
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof WharfError && error.code === "runner_hostile") throw error;
      await backend.stop(id);
      if (tries > 0) {
        const reason = "its daemon does not answer, though it was started anew";
        throw new WharfError("runner_unavailable", { runner_id: id, reason }, { cause: error });
      }
    }
  }
}
