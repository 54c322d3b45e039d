import { WharfError } from "@wharf/contract";
import type { SecretError } from "../secrets/index.ts";

/** The error of a key that cannot be read. The agent can read it. */
export const createKeyError = (route: string, cause: SecretError): WharfError =>
  new WharfError("model_key_unreadable", { route, reason: cause.message }, { cause });
