import { WharfError } from "@wharf/contract";
import Dockerode from "dockerode";
import { clientOptions, type EngineAddress, hostOf } from "./engine-address.ts";
import { explained, statusOf } from "./engine-errors.ts";

/** How long the engine may take for what is not a pull. A busy one makes a container in 300 ms. */
const patience = 60_000; // ms

type Work<T> = (docker: Dockerode, abortSignal: AbortSignal) => Promise<T>;

/** The engine and how it is asked: every call ends in its time, and every failure is one of the catalogue. */
export class Engine {
  readonly address: string;
  readonly docker: Dockerode;

  constructor(address: EngineAddress) {
    this.address = hostOf(address);
    this.docker = new Dockerode(clientOptions(address));
  }

  /** Whether its socket is a file of this machine. */
  get isLocal(): boolean {
    return this.address.startsWith("unix://");
  }

  async ask<T>(work: Work<T>, options: { ms?: number; signal?: AbortSignal | undefined } = {}): Promise<T> {
    const { ms = patience, signal } = options;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), ms);
    const either = signal ? AbortSignal.any([late.signal, signal]) : late.signal;
    const ended = Promise.withResolvers<never>();
    const onAbort = () => ended.reject(either.reason);
    either.addEventListener("abort", onAbort, { once: true });
    ended.promise.catch(() => undefined);
    try {
      signal?.throwIfAborted();
      return await Promise.race([work(this.docker, either), ended.promise]);
    } catch (error) {
      signal?.throwIfAborted();
      if (late.signal.aborted) throw this.#silent(ms);
      throw explained(error, this.address);
    } finally {
      clearTimeout(timer);
      either.removeEventListener("abort", onAbort);
    }
  }

  /** The answer, or nothing where the engine says that there is no such thing. */
  async find<T>(work: Work<T>, options: { signal?: AbortSignal | undefined } = {}): Promise<T | undefined> {
    return this.unless([404], work, options);
  }

  /** The answer, or nothing where the engine answers with one of the statuses. */
  async unless<T>(
    statuses: readonly number[],
    work: Work<T>,
    options: { ms?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<T | undefined> {
    try {
      return await this.ask(work, options);
    } catch (error) {
      const status = error instanceof WharfError ? statusOf(error.cause) : undefined;
      if (status !== undefined && statuses.includes(status)) return undefined;
      throw error;
    }
  }

  #silent(ms: number): WharfError {
    const reason = `it gave no answer within ${ms / 1000} s`;
    return new WharfError("engine_unreachable", { engine: "Docker", address: this.address, reason });
  }
}
