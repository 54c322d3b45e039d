import { WharfError } from "@wharf/contract";
import { type Caller, getNetwork } from "../../access/index.ts";

/** Requests that a server accepts in a minute; 0 accepts any number. */
export interface RequestLimitOptions {
  /** From each user, with all of their tokens and logins. */
  readonly perUser: number;
  /** From each address without a valid token. */
  readonly perAddress: number;
  /** Returns the time in milliseconds, which never goes back. */
  readonly now?: () => number;
  readonly maxSenders?: number;
}

const windowMs = 60_000;

/** About 10 MB. A sender that is forgotten early may send its requests again. */
const defaultMaxSenders = 50_000;

interface Window {
  readonly endsAt: number;
  count: number;
}

/** What is left of a sender's requests. */
export interface RequestQuota {
  /** The name of the limit, which clients may tell apart. */
  readonly policy: "address" | "user";
  readonly limit: number;
  readonly remaining: number;
  readonly resetSeconds: number;
  /** Whether the request is one too many. */
  readonly isExceeded: boolean;
}

/**
 * Counts the requests of each sender. The first request of a sender begins a window of a minute,
 * and the first one after its end begins the next one. So the windows are in the order in which
 * they end, and those that have ended are removed from the front, without a timer and in constant
 * time.
 */
export class RequestLimits {
  readonly #options: RequestLimitOptions;
  readonly #now: () => number;
  readonly #windows = new Map<string, Window>();

  constructor(options: RequestLimitOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** How many senders are remembered. */
  get size(): number {
    return this.#windows.size;
  }

  /** Counts a request of a user, or of an address if nothing proves a user. */
  count(caller: Pick<Caller, "user_id"> | undefined, address: string): RequestQuota | undefined {
    const policy = caller ? "user" : "address";
    const limit = caller ? this.#options.perUser : this.#options.perAddress;
    // Only the owner of the data folder can open its socket, and may change the limits.
    if (limit === 0 || address === "local") return undefined;
    const now = this.#now();
    this.#forgetEnded(now);
    const window = this.#getWindow(caller ? `user ${caller.user_id}` : `address ${getNetwork(address)}`, now);
    const isExceeded = window.count >= limit;
    if (!isExceeded) window.count++;
    const resetSeconds = Math.max(1, Math.ceil((window.endsAt - now) / 1_000));
    return { policy, limit, remaining: limit - window.count, resetSeconds, isExceeded };
  }

  #getWindow(sender: string, now: number): Window {
    const existing = this.#windows.get(sender);
    if (existing) return existing;
    const window = { endsAt: now + windowMs, count: 0 };
    this.#windows.set(sender, window);
    if (this.#windows.size > (this.#options.maxSenders ?? defaultMaxSenders)) this.#forgetOldest();
    return window;
  }

  #forgetOldest(): void {
    for (const sender of this.#windows.keys()) return void this.#windows.delete(sender);
  }

  #forgetEnded(now: number): void {
    for (const [sender, { endsAt }] of this.#windows) {
      if (endsAt > now) return;
      this.#windows.delete(sender);
    }
  }
}

/** Throws if a request is one too many. */
export function requireQuota(quota: RequestQuota | undefined): void {
  if (!quota?.isExceeded) return;
  const { policy, limit, resetSeconds } = quota;
  throw new WharfError("too_many_requests", { limit, sender: policy, retry_after_s: resetSeconds });
}

/**
 * Formats what is left for clients: the fields of the IETF's draft, and those that are older. The
 * latter name the time of the reset in seconds since 1970.
 */
export function formatQuota(
  { policy, limit, remaining, resetSeconds }: RequestQuota,
  date: Date = new Date(),
): Record<string, string> {
  return {
    "ratelimit-policy": `"${policy}";q=${limit};w=${windowMs / 1_000}`,
    ratelimit: `"${policy}";r=${remaining};t=${resetSeconds}`,
    "x-ratelimit-limit": String(limit),
    "x-ratelimit-remaining": String(remaining),
    "x-ratelimit-reset": String(Math.ceil(date.getTime() / 1_000) + resetSeconds),
  };
}
