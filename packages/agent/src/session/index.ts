/**
 * A session is a conversation: its updates to the client, its stored history, and the user's
 * permissions.
 */
export { History } from "./history.ts";
export { PermissionMode, modes } from "./permissions.ts";
export { Session } from "./session.ts";
export { createTextContent, type ToolCall, type ToolCallView } from "./tool-call.ts";
