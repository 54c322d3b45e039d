import { RemoteError, WharfError } from "@wharf/contract";

type Reason = "login" | "permission" | "resource";

const reasons: Readonly<Record<string, Reason>> = {
  unauthenticated: "login",
  login_ended: "login",
  organization_not_found: "login",
  permission_missing: "permission",
  board_not_found: "resource",
  task_not_found: "resource",
  runner_not_found: "resource",
};

/**
 * Returns the error for a stream whose server no longer admits its reader, or undefined if the
 * refusal has another reason. The same refusal before the stream began is the reader's own mistake.
 */
export function toAccessEnd(refusal: unknown): WharfError | undefined {
  const reason = refusal instanceof RemoteError ? reasons[refusal.code] : undefined;
  return reason && new WharfError("access_ended", { reason }, { cause: refusal });
}
