import type { Login } from "./login.ts";

export interface ExpiringLogin {
  readonly login: Login;
  /** When to get another one, by `Date.now()`. */
  readonly renewAt: number;
}

/** Keeps logins until they expire or are refused. Concurrent callers share one request. */
export class LoginCache {
  readonly #logins = new Map<string, Promise<ExpiringLogin>>();

  async get(key: string, request: () => Promise<ExpiringLogin>): Promise<Login> {
    const known = this.#logins.get(key);
    if (known) {
      const { login, renewAt } = await known;
      if (Date.now() < renewAt) return login;
      this.#forget(key, known);
    }
    const requested = this.#logins.get(key) ?? request();
    this.#logins.set(key, requested);
    requested.catch(() => this.#forget(key, requested));
    return (await requested).login;
  }

  /** Forgets a login, unless another one has taken its place. */
  async drop(key: string, refused: Login): Promise<void> {
    const known = this.#logins.get(key);
    const current = await known?.catch(() => undefined);
    if (known && current?.login.password === refused.password) this.#forget(key, known);
  }

  #forget(key: string, login: Promise<ExpiringLogin>): void {
    if (this.#logins.get(key) === login) this.#logins.delete(key);
  }
}
