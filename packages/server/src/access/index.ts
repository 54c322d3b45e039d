/**
 * Access: the owner and the token that proves it, and the values that a data folder keeps for its
 * server.
 */
export { ensureOwner, type Principal, isSameToken } from "./access.ts";
export { type StoredValue, ensureStoredSecret, ensureStoredValue } from "./stored-value.ts";
