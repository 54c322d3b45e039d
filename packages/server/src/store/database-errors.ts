import { WharfError } from "@wharf/contract";

/**
 * PostgreSQL's codes for a server that is stopping, starting or full, a connection that broke, a
 * transaction that lost a race, and a statement or lock that took too long; and Node's codes for a
 * socket without an answer.
 */
const transientCodes = /^(57P0[123]|57014|55P03|25P03|08\w{3}|40001|40P01|53[13]00|ECONN\w+|EPIPE)$/;

/**
 * The driver's messages for errors without a code; the last two come from a rollback on a
 * connection that is already broken.
 */
const transientMessages =
  /Connection terminated|timeout exceeded when trying to connect|connection error and is not queryable|was closed and is not queryable/;

/**
 * Whether an error only means that the database was temporarily unavailable: the caller may retry.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) {
    // An error that already has one of our codes does not concern the database: a lost wire also
    // has a broken connection as its cause.
    if (one instanceof WharfError) return one.code === "database_unavailable";
    const code = "code" in one ? String(one.code) : "";
    if (transientCodes.test(code) || transientMessages.test(one.message)) return true;
    if (code === "ENOENT" && "syscall" in one && one.syscall === "connect") return true;
  }
  return false;
}

/** Whether a statement failed because the database's disk is full. */
export function isDatabaseFull(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) if ("code" in one && one.code === "53100") return true;
  return false;
}

/**
 * PostgreSQL's codes for a value that it cannot store: out of range, malformed, too long, nested
 * too deeply.
 */
const unstorableCodes = /^(22|54)\w{3}$/;

/** Whether a statement failed because of a value in it, so that a retry fails again. */
export function isUnstorable(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause)
    if ("code" in one && unstorableCodes.test(String(one.code))) return true;
  return false;
}
