import { WharfError } from "@wharf/contract";
import { getHash } from "../../std/hash.ts";

/**
 * Everything that belongs to a runner has these labels. Wharf sets them after all others, and only
 * the backend sets labels that begin with `wharf.`.
 */
export const label = {
  /** Names the server that owns the runner: several servers may share an engine. */
  server: "wharf.server",
  runner: "wharf.runner",
  /** Names the object's role for its runner: `container`, `volume`, `ledger` or `helper`. */
  part: "wharf.part",
  /** Names the container's wire mode. */
  wire: "wharf.wire",
  /**
   * Holds a hash of all inputs of the container: Wharf creates another container when the hash
   * differs.
   */
  plan: "wharf.plan",
  /** Lists the host's credentials that this container was created for. */
  credentials: "wharf.credentials",
} as const;

/** An image may carry these labels for the backend. */
export const imageLabel = {
  /** Lists the programs on its PATH that agents may be, separated by spaces. */
  programs: "wharf.programs",
} as const;

export function getContainerName(id: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(id)) {
    throw new WharfError("bad_request", {
      issues: [{ path: "runner_id", message: "must be 1 to 64 letters, digits, - or _" }],
    });
  }
  return `wharf-${id}`;
}

export const getVolumeName = (id: string, part: string): string => `${getContainerName(id)}-${part}`;

export function createLabels(server: string, id: string, part: string): Record<string, string> {
  return { [label.server]: server, [label.runner]: id, [label.part]: part };
}

export const getPlanHash = (request: unknown): string => getHash(JSON.stringify(request)).slice(0, 16);
