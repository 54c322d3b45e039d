/** The log of every task and its readers: append in a transaction, read by cursor, follow live. */
export { Log, type LogWriter, type NewEvent } from "./log.ts";
export { followTaskLog } from "./follow.ts";
export { encodeEvent } from "./frame.ts";
export { Permits } from "./permits.ts";
