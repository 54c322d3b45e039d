import { daemonApi } from "@wharf/contract";
import { WireSupersededError } from "@wharf/contract/wire";
import type { Backend } from "../../backends/index.ts";
import type { FindContext, Gateway } from "../../gateway/index.ts";
import type { Database } from "../../store/index.ts";
import type { Keys } from "../keys.ts";
import { raiseEpoch, type Tenure } from "../leases/index.ts";
import { type Link, openLink } from "./link.ts";
import type { RunnerRedaction } from "./redacted-client.ts";
import { requireProtocol } from "./require-protocol.ts";

export interface LeasedLinkOptions {
  readonly db: Database;
  readonly backend: Backend;
  readonly keys: Keys;
  readonly gateway: Pick<Gateway, "handle" | "handleConnect">;
  readonly redaction?: RunnerRedaction | undefined;
}

/**
 * Opens a link under the lease. A daemon that has seen a higher epoch belongs to another holder,
 * unless the lease is still valid: then the database is older than the runner, as after a restore,
 * and the lease raises its epoch to match.
 */
export async function openLeasedLink(
  { db, backend, keys, gateway, redaction }: LeasedLinkOptions,
  { tenure, context }: { tenure: Tenure; context: FindContext },
  signal: AbortSignal,
): Promise<Link> {
  const tryOpen = async () => {
    const { runner_id, epoch } = tenure.lease;
    const link = await openLink(
      { backend, runner_id, epoch, key: keys.getWireKey(runner_id), gateway, context, redaction },
      signal,
    );
    try {
      requireProtocol(await link.client.call(daemonApi.health, {}, { signal: AbortSignal.any([signal, link.signal]) }));
      return link;
    } catch (error) {
      const reason: unknown = link.signal.aborted && !signal.aborted ? link.signal.reason : error;
      await link[Symbol.asyncDispose]();
      throw reason;
    }
  };
  try {
    return await tryOpen();
  } catch (error) {
    if (!(error instanceof WireSupersededError)) throw error;
    tenure.lease = await raiseEpoch(db, tenure.lease, error.highestEpoch);
    return await tryOpen();
  }
}
