/**
 * Access: who sends a request, and what the request may see and do; and the values that a data
 * folder keeps for its server.
 */
export { AccessWatch, accessWakeup, type AccessUse, type AccessTime } from "./access-watch.ts";
export { ensureOwner, type Owner } from "./access.ts";
export { AccessTokens } from "./access-tokens.ts";
export { Authenticator } from "./authenticator.ts";
export { isSameToken } from "./credentials/owner-token.ts";
export { findMember, Members } from "./members.ts";
export { Organizations } from "./organizations.ts";
export { type Caller, createScope, requireBoardPermission, requirePermission, type Scope } from "./scope.ts";
export { type StoredValue, ensureStoredSecret, ensureStoredValue } from "./stored-value.ts";
export {
  isOnVisibleBoard,
  isVisibleBoard,
  isVisibleTask,
  isVisibleUsage,
  selectBoardRole,
  type VisibilityScope,
} from "./visibility.ts";
