import type { Executor } from "../../store/index.ts";
import type { LoginMethod, LoginSource, NewLogin, SessionRow } from "../sessions/sessions.ts";
import { type AccountRow, recordLogin } from "./accounts.ts";

/** Starts the session of a browser or of a program in the login's transaction. */
export type StartSession<S> = (tx: Executor, login: NewLogin) => Promise<S>;

export interface LoginRequest<S> {
  readonly source: LoginSource;
  readonly start: StartSession<S>;
}

export interface StartedSession {
  readonly session: SessionRow;
}

export type LoggedIn<S> = S & { readonly account: AccountRow };

/** Ends a login in any way: starts the session of an account that the person has proved. */
export async function startSession<S extends StartedSession>(
  tx: Executor,
  { account, method, request }: { account: AccountRow; method: LoginMethod; request: LoginRequest<S> },
): Promise<LoggedIn<S>> {
  const started = await request.start(tx, { ...request.source, user_id: account.id, method });
  await recordLogin(tx, account.id);
  return { ...started, account };
}
