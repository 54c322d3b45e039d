import type { RunnerRegistry } from "@wharf/contract";

/** A registry that needs a credential, which the gateway adds outside the runner. */
export interface Registry extends RunnerRegistry {
  /** The registry's address, which ends with a slash. */
  readonly url: string;
  /** Returns the value of the header `authorization`. */
  readonly getAuthorization: () => Promise<string>;
}
