/** The daemon's end of the wire: connected again and again, whatever becomes of the server. */
export { WireKeeper } from "./wire-keeper.ts";
