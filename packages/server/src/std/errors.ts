/** Returns the code that Node.js and drivers give their errors, such as `ENOSPC`. */
export const getErrorCode = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error ? String(error.code) : undefined;

export const getErrorMessage = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const toError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));
