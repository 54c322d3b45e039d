/** The routes of the contract's `daemonApi`, answered over the wire. */
export { createApi } from "./api.ts";
