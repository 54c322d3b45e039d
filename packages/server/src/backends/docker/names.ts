import { createHash } from "node:crypto";
import { WharfError } from "@wharf/contract";

/**
 * Labels of everything that belongs to a runner. They are set after all others, and nobody but the backend sets those that
 * begin with `wharf.`.
 */
export const label = {
  /** Whose runner it is: several servers may share an engine. */
  server: "wharf.server",
  runner: "wharf.runner",
  /** Which of a runner's things: `container`, `volume`, `ledger` or `helper`. */
  part: "wharf.part",
  /** How the wire of this container is made. */
  wire: "wharf.wire",
  /** A hash of all that the container was made from: another one is made when it differs. */
  plan: "wharf.plan",
  /** Which of the host's credentials this container was asked to be given. */
  credentials: "wharf.credentials",
} as const;

/** Labels that an image may have for the backend. */
export const imageLabel = {
  /** The programs on its PATH that agents may be, separated by spaces. */
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

export const getPlanHash = (request: unknown): string =>
  createHash("sha256").update(JSON.stringify(request)).digest("hex").slice(0, 16);
