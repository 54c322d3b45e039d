import { WharfError } from "@wharf/contract";
import { ApiFailure, ApiUnreachable } from "./cluster/api-failure.ts";
import type { Cluster } from "./cluster/cluster.ts";

const quotaMessagePattern = /exceeded quota|exceeds? .*quota|is forbidden: (maximum|minimum) /i;

/** Converts a failed call to the cluster to a catalogue error with a next step. */
export function toWharfError(error: unknown, { address }: Pick<Cluster, "address">): unknown {
  if (error instanceof ApiUnreachable) {
    return new WharfError("cluster_unreachable", { address, reason: error.message }, { cause: error });
  }
  if (!(error instanceof ApiFailure)) return error;
  const { call, status, message } = error;
  const namespace = call.namespace ?? call.name ?? "";
  if (error.causes.includes("NamespaceTerminating")) {
    return new WharfError("namespace_ending", { namespace }, { cause: error });
  }
  if (status === 403 && quotaMessagePattern.test(message)) {
    return new WharfError("quota_exceeded", { namespace, reason: message }, { cause: error });
  }
  if (status === 401 || status === 403) {
    const place = call.namespace === undefined ? "" : ` in namespace ${call.namespace}`;
    const action = `${call.verb} ${call.resource}${place}`;
    return new WharfError("cluster_forbidden", { action, reason: message }, { cause: error });
  }
  return new WharfError("backend_failed", { backend: "kubernetes", reason: message }, { cause: error });
}
