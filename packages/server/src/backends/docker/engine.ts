import { WharfError } from "@wharf/contract";
import Dockerode from "dockerode";
import { toClientOptions, type EngineAddress, getHost } from "./engine-address.ts";
import { toWharfError, getStatus } from "./engine-errors.ts";

/**
 * The engine may take this long for any call except a pull. A busy engine creates a container in
 * 300 ms.
 */
const requestTimeoutMs = 60_000;

type EngineCall<T> = (docker: Dockerode, abortSignal: AbortSignal) => Promise<T>;

/** Calls the engine: every call has a timeout, and every failure is a catalogue error. */
export class Engine {
  readonly address: string;
  readonly docker: Dockerode;

  constructor(address: EngineAddress) {
    this.address = getHost(address);
    this.docker = new Dockerode(toClientOptions(address));
  }

  /** Whether the engine's socket is a file of this machine. */
  get isLocal(): boolean {
    return this.address.startsWith("unix://");
  }

  async call<T>(work: EngineCall<T>, options: { ms?: number; signal?: AbortSignal | undefined } = {}): Promise<T> {
    const { ms = requestTimeoutMs, signal } = options;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), ms);
    const either = signal ? AbortSignal.any([timeout.signal, signal]) : timeout.signal;
    const ended = Promise.withResolvers<never>();
    const onAbort = () => ended.reject(either.reason);
    either.addEventListener("abort", onAbort, { once: true });
    ended.promise.catch(() => undefined);
    try {
      signal?.throwIfAborted();
      return await Promise.race([work(this.docker, either), ended.promise]);
    } catch (error) {
      signal?.throwIfAborted();
      if (timeout.signal.aborted) throw this.#createTimeoutError(ms);
      throw toWharfError(error, this.address);
    } finally {
      clearTimeout(timer);
      either.removeEventListener("abort", onAbort);
    }
  }

  /** Returns the answer, or undefined if the engine answers "not found". */
  async find<T>(work: EngineCall<T>, options: { signal?: AbortSignal | undefined } = {}): Promise<T | undefined> {
    return this.callIgnoring([404], work, options);
  }

  /** Returns the answer, or undefined if the engine answers with one of the statuses. */
  async callIgnoring<T>(
    statuses: readonly number[],
    work: EngineCall<T>,
    options: { ms?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<T | undefined> {
    try {
      return await this.call(work, options);
    } catch (error) {
      const status = error instanceof WharfError ? getStatus(error.cause) : undefined;
      if (status !== undefined && statuses.includes(status)) return undefined;
      throw error;
    }
  }

  #createTimeoutError(ms: number): WharfError {
    const reason = `it did not respond within ${ms / 1000} s`;
    return new WharfError("engine_unreachable", { engine: "Docker", address: this.address, reason });
  }
}
