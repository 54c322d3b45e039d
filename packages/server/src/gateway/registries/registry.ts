import type { RunnerRegistry } from "@wharf/contract";
import type { SecretMatcher } from "../../redaction/index.ts";

/** The header `authorization` of a request, and what recognises its secret in an answer. */
export interface Authorization {
  readonly value: string;
  readonly matcher: SecretMatcher;
}

/** A registry that needs a credential, which the gateway adds outside the runner. */
export interface Registry extends RunnerRegistry {
  /** The registry's address, which ends with a slash. */
  readonly url: string;
  readonly getAuthorization: () => Promise<Authorization>;
}
