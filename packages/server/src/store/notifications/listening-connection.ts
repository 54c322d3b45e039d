import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { toError } from "../../std/errors.ts";

/** All Wharf servers on a database use one channel. */
const channel = "wharf";
const connectTimeoutMs = 10_000;
/**
 * A statement that takes longer means that the connection is dead, even if TCP still considers it
 * open.
 */
const queryTimeoutMs = 10_000;
const heartbeatIntervalMs = 30_000;
const minRetryMs = 50;
const maxRetryMs = 5_000;
const closeTimeoutMs = 1_000;

export interface ListeningOptions {
  readonly connection: pg.ClientConfig;
  readonly onPayload: (payload: string) => void;
  /** Called each time the connection begins to listen. Earlier notifications are lost. */
  readonly onListening: () => void;
  readonly onError: (error: Error) => void;
}

/**
 * A dedicated connection that listens for notifications, and sends them. A pooled connection cannot
 * listen, and a burst of requests would delay its notifications. A silent connection does not
 * answer the heartbeat.
 *
 *   connecting ── LISTEN ──► listening ── broken or silent ──► waiting (jittered) ──► connecting
 */
export class ListeningConnection implements AsyncDisposable {
  readonly #options: ListeningOptions;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #open: { readonly client: pg.Client; readonly fail: (error: unknown) => void } | undefined;

  constructor(options: ListeningOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  get isListening(): boolean {
    return this.#open !== undefined;
  }

  /**
   * Sends payloads in one statement: each commit of a NOTIFY waits for the one before it. A failure
   * ends the connection.
   */
  async send(payloads: readonly string[]): Promise<void> {
    const open = this.#open;
    if (!open) throw new Error("the listening connection is broken");
    try {
      await open.client.query("select pg_notify($1, payload) from unnest($2::text[]) payload", [channel, payloads]);
    } catch (error) {
      open.fail(error);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await this.#listen(() => (failures = 0));
      } catch (error) {
        if (signal.aborted) return;
        this.#options.onError(toError(error));
      }
      const retryMs = Math.min(maxRetryMs, minRetryMs * 2 ** Math.min(failures, 10));
      await sleep(retryMs * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Runs a single connection, from its start to its end. */
  async #listen(onSuccess: () => void): Promise<void> {
    const { signal } = this.#closing;
    const { connection, onListening, onPayload } = this.#options;
    const socket = new Socket();
    const client = new pg.Client({
      ...connection,
      stream: () => socket,
      application_name: "wharf notifications",
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: queryTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: heartbeatIntervalMs,
    });
    const ended = Promise.withResolvers<never>();
    const fail = (error: unknown) => ended.reject(error);
    client.on("error", fail);
    client.on("end", () => fail(new Error("the listening connection ended")));
    client.on("notification", ({ payload = "" }) => onPayload(payload));
    const onClosing = () => fail(new Error("the server is stopping"));
    signal.addEventListener("abort", onClosing, { once: true });
    let isClosed = false;
    let heartbeat: NodeJS.Timeout | undefined;
    const start = async () => {
      await client.connect();
      await client.query(`listen ${channel}`);
      if (isClosed) return;
      heartbeat = setInterval(() => void client.query("select 1").catch(fail), heartbeatIntervalMs);
      this.#open = { client, fail };
      onSuccess();
      onListening();
    };
    try {
      void start().catch(fail);
      await ended.promise;
    } finally {
      isClosed = true;
      this.#open = undefined;
      clearInterval(heartbeat);
      signal.removeEventListener("abort", onClosing);
      await Promise.race([client.end().catch(() => undefined), sleep(closeTimeoutMs, undefined, { ref: false })]);
      socket.destroy();
    }
  }
}
