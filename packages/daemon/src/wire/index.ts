/**
 * The daemon's end of the wire exists for as long as the daemon lives, with or without a server.
 */
export { EpochFile } from "./epoch-file.ts";
export { WireKeeper } from "./wire-keeper.ts";
