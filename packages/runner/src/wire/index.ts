/** The daemon's end of the wire: kept for as long as the daemon lives, whatever becomes of the server. */
export { WireKeeper } from "./wire-keeper.ts";
