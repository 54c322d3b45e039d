/** This folder answers the routes of the contract's `daemonApi` over the wire. */
export { createApi } from "./api.ts";
