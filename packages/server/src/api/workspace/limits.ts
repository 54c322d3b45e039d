import type { WorkspaceRouteName } from "@wharf/contract";
import { z } from "zod";

/** Maximum size of a JSON body that may have the content of a file. Larger files are uploaded. */
export const maxContentBodyBytes = 16 << 20;
/** Maximum duration of an upload, or of input for a command that reads slowly. */
export const uploadTimeoutMs = 3_600_000;
/** Time in addition to a command's own timeout, for ending the command and reporting that. */
const execGraceMs = 10_000;
/** A large repository or a large folder takes long. */
const largeWorkMs = 600_000;

const largeWork: ReadonlySet<WorkspaceRouteName> = new Set<WorkspaceRouteName>([
  "deletePath",
  "copyPath",
  "gitStatus",
  "gitDiff",
  "gitDiffAgainstBase",
  "gitFileChanges",
  "gitLog",
  "gitCommit",
  "gitShow",
  "gitRestore",
  "gitCheckout",
  "searchNames",
]);

const ExecBody = z.object({ timeout_s: z.number() });

/** Returns the timeout of a call, or undefined for the client's default. */
export function getCallTimeout(name: WorkspaceRouteName, body: unknown): number | undefined {
  if (name === "execOnce") return ExecBody.parse(body).timeout_s * 1000 + execGraceMs;
  if (name === "writeCommand") return uploadTimeoutMs;
  return largeWork.has(name) ? largeWorkMs : undefined;
}
