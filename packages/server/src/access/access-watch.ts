import { organizationHeader, WharfError } from "@wharf/contract";
import type { Wakeup } from "../store/index.ts";
import type { Authenticator, Credentials } from "./authenticator.ts";
import type { Caller } from "./scope.ts";

/** The name under which changes of access wake the watches of all servers. */
export const accessWakeup = "access";
/** Interval for checks without a wakeup, which may be lost. */
const checkIntervalMs = 60_000;
/** Interval for checks that failed, because the database was unavailable. */
const retryIntervalMs = 1_000;
/** Shortest wait for the end of a token. */
const minExpiryDelayMs = 100;
/** Number of senders that are checked at once, so that requests still get connections. */
const maxParallelChecks = 8;

/** A stream, or a request that lasts, which ends when its sender loses access. */
export interface AccessUse {
  readonly credentials: Credentials;
  /** What is used, and for what: uses of one sender with the same subject are checked once. */
  readonly subject: string;
  /** Throws the error of a request that would begin the use now. */
  readonly check: (caller: Caller) => Promise<unknown>;
  /** Takes the sender's present rights. */
  readonly onChecked?: (caller: Caller) => void | Promise<void>;
  readonly onWithdrawn: (error: WharfError) => void;
}

/** The time of a check: a use that began with an earlier check is checked again at once. */
export type AccessTime = number;

/** All uses with the same credentials. */
interface Sender {
  readonly credentials: Credentials;
  readonly uses: Set<AccessUse>;
  expiryTimer?: NodeJS.Timeout;
}

export interface AccessWatchOptions {
  readonly authenticator: Pick<Authenticator, "authenticate">;
  readonly wakeup: Pick<Wakeup, "sleep">;
}

/**
 * Ends what is in use when its sender loses access: after every change of access on any server on
 * the database, and when a token expires, each sender is authenticated again and each use checked
 * again.
 *
 * A sender may lose access while a use begins. The use is therefore added with the time before its
 * sender was authenticated, and checked at once if access changed since.
 */
export class AccessWatch {
  readonly #options: AccessWatchOptions;
  readonly #senders = new Map<string, Sender>();
  readonly #ended = new AbortController();
  #time: AccessTime = 0;
  #running: Promise<void> | undefined;

  constructor(options: AccessWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run(this.#ended.signal);
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    for (const { expiryTimer } of this.#senders.values()) clearTimeout(expiryTimer);
    await this.#running;
  }

  /** The present time; read it before the sender of a use is authenticated. */
  get time(): AccessTime {
    return this.#time;
  }

  /** Adds a use; call the result when it ends. */
  add(use: AccessUse, { caller, since }: { readonly caller: Caller; readonly since: AccessTime }): () => void {
    const key = getSenderKey(use.credentials);
    const sender = this.#senders.get(key) ?? { credentials: use.credentials, uses: new Set() };
    this.#senders.set(key, sender);
    sender.uses.add(use);
    if (since === this.#time) this.#setExpiryTimer(sender, caller);
    else void this.#checkSender(sender);
    return () => {
      sender.uses.delete(use);
      if (sender.uses.size > 0) return;
      clearTimeout(sender.expiryTimer);
      if (this.#senders.get(key) === sender) this.#senders.delete(key);
    };
  }

  async #run(signal: AbortSignal): Promise<void> {
    let intervalMs = checkIntervalMs;
    while (!signal.aborted) {
      await this.#options.wakeup.sleep(accessWakeup, intervalMs, signal);
      if (signal.aborted) return;
      this.#time++;
      intervalMs = (await this.#checkAll()) ? checkIntervalMs : retryIntervalMs;
    }
  }

  /** Returns whether every check had an outcome. */
  async #checkAll(): Promise<boolean> {
    const rest = this.#senders.values();
    let isComplete = true;
    const checkNext = async () => {
      for (const sender of rest) if (!(await this.#checkSender(sender))) isComplete = false;
    };
    await Promise.all(Array.from({ length: maxParallelChecks }, checkNext));
    return isComplete;
  }

  async #checkSender(sender: Sender): Promise<boolean> {
    let caller: Caller;
    try {
      caller = await this.#options.authenticator.authenticate(sender.credentials);
    } catch (thrown) {
      for (const use of sender.uses) withdrawFor(thrown, use);
      return isRefusal(thrown);
    }
    this.#setExpiryTimer(sender, caller);
    const checks = new Map<string, Promise<unknown>>();
    let isComplete = true;
    for (const use of sender.uses) {
      const check = checks.get(use.subject) ?? use.check(caller);
      checks.set(use.subject, check);
      try {
        await check;
        await use.onChecked?.(caller);
      } catch (thrown) {
        withdrawFor(thrown, use);
        isComplete &&= isRefusal(thrown);
      }
    }
    return isComplete;
  }

  #setExpiryTimer(sender: Sender, { expires_at }: Caller): void {
    clearTimeout(sender.expiryTimer);
    if (!expires_at || sender.uses.size === 0 || this.#ended.signal.aborted) return;
    // An early check sets the timer again: the database's clock decides, and may differ from ours.
    const lifetimeMs = expires_at.getTime() - Date.now();
    const delayMs = Math.min(Math.max(lifetimeMs, minExpiryDelayMs), checkIntervalMs);
    sender.expiryTimer = setTimeout(() => void this.#checkSender(sender), delayMs).unref();
  }
}

const getSenderKey = ({ proof, [organizationHeader]: organization }: Credentials): string =>
  JSON.stringify([proof, organization]);

/** Whether a request was refused, and did not fail for another reason. */
const isRefusal = (thrown: unknown): thrown is WharfError =>
  thrown instanceof WharfError && [401, 403, 404].includes(thrown.status);

function withdrawFor(thrown: unknown, { onWithdrawn }: AccessUse): void {
  if (isRefusal(thrown)) onWithdrawn(thrown);
}
