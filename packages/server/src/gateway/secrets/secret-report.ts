import { toError } from "../../std/errors.ts";
import type { SecretEntry } from "./secret-entry.ts";
import { SecretError } from "./secret-source.ts";

/** An entry that names a secret, and why it cannot be used. */
export interface SecretReport {
  readonly entry: string;
  readonly problem?: string;
}

/** Says why a secret cannot be used, and names the file or the program in question. */
export function describeSecretProblem(place: SecretEntry | undefined, cause: unknown): string {
  const { message } = toError(cause);
  const file = place && "file" in place ? place.file : undefined;
  const [program] = (place && "command" in place ? place.command : undefined) ?? [];
  const name = file ?? program;
  return cause instanceof SecretError && name !== undefined ? `${message} (${name})` : message;
}

/** Reports an entry after an attempt to use its secret. */
export async function reportSecret(
  entry: string,
  place: SecretEntry | undefined,
  attempt: Promise<unknown>,
): Promise<SecretReport> {
  try {
    await attempt;
    return { entry };
  } catch (error) {
    return { entry, problem: describeSecretProblem(place, error) };
  }
}
