/** The daemon's end of the wire: kept for as long as the daemon lives, whatever becomes of the server. */
export { EpochFile } from "./epoch-file.ts";
export { WireKeeper } from "./wire-keeper.ts";
