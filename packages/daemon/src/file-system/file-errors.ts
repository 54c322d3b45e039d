import { WharfError } from "@wharf/contract";
import { isDiskFull, isSystemError } from "./files.ts";

/**
 * Translates a failed system call on a caller's path into an error for the caller. Unrelated errors
 * stay as they are.
 */
export function toFileError(error: unknown, path: string): unknown {
  const cause = { cause: error };
  if (isSystemError(error, "ENOENT", "ENOTDIR")) return new WharfError("file_not_found", { path }, cause);
  // A forbidden link appeared a moment ago, or a link leads to itself.
  if (isSystemError(error, "ELOOP")) return new WharfError("path_outside", { path }, cause);
  if (isSystemError(error, "EEXIST")) return createAlreadyExistsError(path, error);
  if (isSystemError(error, "ENOTEMPTY")) return new WharfError("folder_not_empty", { path }, cause);
  if (isDiskFull(error)) return new WharfError("disk_full", { path }, cause);
  const message = isSystemError(error, ...Object.keys(refusals)) ? refusals[error.code ?? ""] : undefined;
  return message === undefined ? error : new WharfError("bad_request", { issues: [{ path, message }] }, cause);
}

const refusals: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "is on a read-only file system",
  EISDIR: "is a folder",
  ENAMETOOLONG: "has a name that is too long",
  EINVAL: "has a name that the file system does not accept",
  EBUSY: "is in use by the system",
  EXDEV: "is on another file system",
  ENXIO: "is not a regular file",
  ETXTBSY: "is a running program",
  EFBIG: "would be larger than the file system allows",
};

export const createNotAFileError = (path: string): WharfError =>
  new WharfError("bad_request", { issues: [{ path, message: "is not a regular file" }] });

export const createAlreadyExistsError = (path: string, cause?: unknown): WharfError =>
  new WharfError("file_already_exists", { path }, { cause });
