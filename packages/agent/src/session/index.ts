/** A conversation: what the client is shown, what is kept of it, and what the person allowed. */
export { History } from "./history.ts";
export { PermissionMode, modes } from "./permissions.ts";
export { Session } from "./session.ts";
export { createTextContent, type ToolCall, type ToolCallView } from "./tool-call.ts";
