/**
 * The only way from the pages to the server.
 *
 * - `wharf` sends requests: the published client, with the cookie of the login.
 * - `perform` does what a person asked for. It refuses that without a connection, and shows
 *   failures and "Undo".
 * - `queries` are the cached answers: `useSuspenseQuery(queries.task(id))`.
 * - `LiveStream` is one WebSocket that opens again by itself and reads on at a cursor. Its state is
 *   part of `useConnection`, which the shell shows on every page.
 * - `formatError` says what happened and what to do next, whatever was thrown.
 */
export { chooseAgent, hasServerChoice } from "./choose-agent.ts";
export { wharf } from "./client.ts";
export { type ConnectionState, connections, useConnection } from "./connections.ts";
export { formatError } from "./format-error.ts";
export { LiveStream } from "./live-stream.ts";
export { chooseOrganization, followOrganization } from "./organization.ts";
export { perform } from "./perform.ts";
export { maxPageLength, queries } from "./queries.ts";
export { useConnectionCheck } from "./use-connection-check.ts";
