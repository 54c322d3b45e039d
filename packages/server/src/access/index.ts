/** Who may: the owner and the token that proves it, and the values that a data folder keeps for its server. */
export { ensureOwner, type Principal, sameToken } from "./access.ts";
export { type KeptValue, keepSecret, keepValue } from "./kept-value.ts";
