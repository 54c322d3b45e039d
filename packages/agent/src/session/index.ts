/** A conversation: what the client is shown, what is kept of it, and what the person allowed. */
export { History } from "./history.ts";
export { Mode, modes } from "./permissions.ts";
export { Session } from "./session.ts";
export { text, type ToolCall, type ToolCallView } from "./tool-call.ts";
