/** The log of every task and its readers: append in a transaction, read by cursor, follow live. */
export { Log, type LogEnd, type LogWriter, type NewEvent } from "./log.ts";
export { followTaskLog } from "./follow.ts";
export { encodeFrame } from "./frame.ts";
export { followPublished, type PublishedFilter } from "./published/follow-published.ts";
export { insertDeletion } from "./published/insert-published.ts";
export { Permits } from "./permits.ts";
