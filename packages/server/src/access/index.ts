/**
 * Access: who sends a request, and what the request may see and do; and the values that a data
 * folder keeps for its server.
 */
export { AccessWatch, accessWakeup, type AccessUse, type AccessTime } from "./access-watch.ts";
export { ensureOwner, type Owner } from "./access.ts";
export { type Attempt, IdempotencyKeys, type StoredAnswer } from "./idempotency/idempotency-keys.ts";
export { AccessTokens } from "./access-tokens.ts";
export { isSameToken } from "./credentials/owner-token.ts";
export { findMember, type MemberRow, Members } from "./members.ts";
export { Organizations } from "./organizations.ts";
export { Authenticator, type Credentials } from "./authenticator.ts";
export { type LinkRow, Links } from "./links/links.ts";
export { Challenges } from "./challenges/challenges.ts";
export { DeviceLogins } from "./device/device-logins.ts";
export { LoginPruning } from "./login-pruning.ts";
export { LoginLimits } from "./limits/login-limits.ts";
export { getNetwork } from "./limits/network.ts";
export type { AccountRow } from "./logins/accounts.ts";
export { LoginManagement } from "./logins/login-management.ts";
export { Logins } from "./logins/logins.ts";
export { Identities } from "./oidc/identities.ts";
export { oidcAttemptSeconds, OidcAttempts } from "./oidc/oidc-attempts.ts";
export { type OidcConsent, OidcLogins } from "./oidc/oidc-logins.ts";
export { OidcProvider } from "./oidc/oidc-provider.ts";
export { PasskeyLogins, type PasskeyBrowser } from "./passkeys/passkey-logins.ts";
export { CreatedPasskey, UsedPasskey } from "./passkeys/passkey-proof.ts";
export { type PasskeyRow, Passkeys } from "./passkeys/passkeys.ts";
export { Passwords } from "./passwords/passwords.ts";
export {
  type Caller,
  createScope,
  requireBoardPermission,
  requireOwnCredentials,
  requirePermission,
  type Scope,
} from "./scope.ts";
export { SessionCredentials } from "./sessions/session-credentials.ts";
export { SessionTokens } from "./sessions/session-tokens.ts";
export { type LoginSource, type SessionRow, Sessions } from "./sessions/sessions.ts";
export { PreviewLinks } from "./tickets/preview-links.ts";
export { getSenderProof, StreamTickets } from "./tickets/stream-tickets.ts";
export { type StoredValue, ensureStoredSecret, ensureStoredValue } from "./stored-value.ts";
export {
  isOnVisibleBoard,
  isVisibleBoard,
  isVisibleTask,
  isVisibleUsage,
  selectBoardRole,
  type PlacedScope,
  type VisibilityScope,
} from "./visibility.ts";
