import { daemonApi } from "@wharf/contract";
import type { Backend } from "../../backends/index.ts";
import type { FindContext, Gateway } from "../../gateway/index.ts";
import type { Keys } from "../keys.ts";
import type { Tenure } from "../leases/index.ts";
import { type Link, openLink } from "./link.ts";
import type { RunnerRedaction } from "./redacted-client.ts";
import { requireProtocol } from "./require-protocol.ts";

export interface WarmLinkOptions {
  readonly backend: Backend;
  readonly keys: Keys;
  readonly gateway: Pick<Gateway, "handle" | "handleConnect">;
  readonly redaction?: RunnerRedaction | undefined;
}

/** A link to a runner that waits in the pool. */
export interface WarmLink {
  readonly link: Link;
  /**
   * From now on the gateway answers the runner according to `find`; before, it denies everything.
   */
  handTo(find: FindContext): Link;
}

/**
 * Opens a link and waits for the daemon behind it: a link may exist before anything answers on it.
 */
export async function openWarmLink(options: WarmLinkOptions, tenure: Tenure, signal: AbortSignal): Promise<WarmLink> {
  const { backend, keys, gateway, redaction } = options;
  const { runner_id, epoch } = tenure.lease;
  let findContext: FindContext = async () => undefined;
  const getContext: FindContext = () => findContext();
  const link = await openLink(
    { backend, runner_id, epoch, key: keys.getWireKey(runner_id), gateway, context: getContext, redaction },
    signal,
  );
  try {
    requireProtocol(await link.client.call(daemonApi.health, {}, { signal }));
  } catch (error) {
    await link[Symbol.asyncDispose]();
    throw error;
  }
  return {
    link,
    handTo(next) {
      findContext = next;
      return link;
    },
  };
}
