/** The database: its schema, its connections, and its migrations. */
export * as schema from "./schema/index.ts";
export { missingUserId } from "./schema/columns.ts";
export { countMissingMigrations, migrateDatabase } from "./migrate.ts";
export { type Database, type Executor, type DatabaseConnections, openDatabase } from "./database.ts";
export { guardFromTransactions } from "./transaction-guard.ts";
export { type CommitHook, runWithCommitHook } from "./commit-hook.ts";
export { buildOnce } from "./built-statements.ts";
export { omitUndefined } from "./omit-undefined.ts";
export { countNewest, createCursorLookup, type NewestQuery, readNewestKeys, sortByKeys } from "./newest-rows.ts";
export { parseOrder } from "./list-order.ts";
export { createRowOrders, type PositionedRow, RowOrder } from "./row-order.ts";
export {
  toPage,
  formatCursor,
  mapPage,
  maxPageBytes,
  nameRows,
  countPageRows,
  type Page,
  type PageQuery,
  parseCursor,
} from "./pages.ts";
export { createIdCondition, parseIdRange } from "./ids.ts";
export { isDatabaseUnavailable, isDatabaseFull, isUnstorable } from "./database-errors.ts";
export { type ExpectedVersions, requireVersion } from "./versions.ts";
export { Notifications, Wakeup } from "./notifications/index.ts";
