import type { Catalogue } from "./catalogue-entry.ts";
import { formatBytes } from "./format-bytes.ts";

export interface FileErrors {
  file_not_found: { path: string };
  file_already_exists: { path: string };
  file_changed: { path: string };
  file_too_large: { path: string; limit_bytes: number };
  folder_not_empty: { path: string };
  path_outside: { path: string };
  text_not_found: { text: string };
  disk_full: { path: string };
}

/** Errors of files and folders. */
export const fileErrors: Catalogue<FileErrors> = {
  file_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ path }) => `There is no file or folder '${path}'.`,
    next: () => "Check the path: it is relative to the workspace. List its folder to see what exists.",
  },
  file_already_exists: {
    http: 409,
    grpc: "ALREADY_EXISTS",
    message: ({ path }) => `'${path}' already exists.`,
    next: () => "Choose another path, remove the existing one, or write with `overwrite`.",
  },
  file_changed: {
    http: 409,
    grpc: "ABORTED",
    message: ({ path }) => `'${path}' was changed by someone else during the operation.`,
    next: () => "Read the file again, then repeat the operation.",
  },
  file_too_large: {
    http: 413,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ path, limit_bytes }) => `'${path}' is larger than ${formatBytes(limit_bytes)}.`,
    next: () => "Read or write it in parts.",
  },
  folder_not_empty: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ path }) => `The folder '${path}' is not empty.`,
    next: () => "Send `recursive` to delete the folder with everything in it.",
  },
  path_outside: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ path }) => `'${path}' is outside the workspace.`,
    next: () => "Use a path inside the workspace. Links that lead out of it are not followed.",
  },
  text_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ text }) => `The file does not contain the text '${text}'.`,
    next: () => "Read the file again and search for text that it contains.",
  },
  disk_full: {
    http: 507,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ path }) => `No space is left at ${path}.`,
    next: () => "Free some space, then try again; Wharf retries its own writes.",
  },
};
