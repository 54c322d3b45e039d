/** Who may: the owner and the token that proves it. */
export { ensureOwner, type Principal, sameToken, secretFile } from "./access.ts";
