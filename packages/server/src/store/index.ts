/** The database: its schema, how it is reached, and how it is brought up to date. */
export * as schema from "./schema/index.ts";
export { migrate } from "./migrate.ts";
export { type Database, type Executor, type OpenDatabase, openDatabase } from "./database.ts";
export { guardFromTransactions } from "./transaction-guard.ts";
export { defined } from "./defined.ts";
export { countNewest, cursorAmong, type Newest, readNewestKeys, sortByKeys } from "./newest.ts";
export { cutPage, formatCursor, maxPageBytes, measurePage, type PageQuery, parseCursor } from "./pages.ts";
export { matchId, parseIdRange } from "./ids.ts";
export { isDatabaseAway, isDatabaseFull, isUnstorable } from "./away.ts";
export { Notifications } from "./notifications/index.ts";
