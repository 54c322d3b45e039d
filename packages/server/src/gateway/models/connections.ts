import { type ClientRequest, Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** The pool closes idle connections before a model's server closes them. */
const defaultIdleTimeoutMs = 30_000;
/** Connections that a run keeps open between its requests: a new one costs a handshake. */
const maxIdlePerRun = 16;

interface ConnectionPool {
  readonly agents: { readonly http: HttpAgent; readonly https: HttpsAgent };
  users: number;
  timer: NodeJS.Timeout | undefined;
}

/** A run's connections to its model's server for the duration of one request. */
export interface RunConnections extends Disposable {
  getAgent(protocol: string): HttpAgent;
}

/**
 * Connections to model servers, one pool per run. Two runs never share a connection, so bytes that
 * one run sends cannot reach the other. A pool closes when its run has had no request for a while.
 */
export class ConnectionPools {
  readonly #pools = new Map<string, ConnectionPool>();
  readonly #idleTimeoutMs: number;

  constructor(idleTimeoutMs = defaultIdleTimeoutMs) {
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  /** The number of runs that have a pool. */
  get size(): number {
    return this.#pools.size;
  }

  open(runId: string): RunConnections {
    const pool = this.#pools.get(runId) ?? createPool(this.#idleTimeoutMs);
    this.#pools.set(runId, pool);
    clearTimeout(pool.timer);
    pool.users++;
    let open = true;
    return {
      getAgent: (protocol) => (protocol === "https:" ? pool.agents.https : pool.agents.http),
      [Symbol.dispose]: () => {
        if (!open) return;
        open = false;
        if (--pool.users === 0) this.#closeWhenIdle(runId, pool);
      },
    };
  }

  #closeWhenIdle(runId: string, pool: ConnectionPool): void {
    if (this.#pools.get(runId) !== pool) return;
    pool.timer = setTimeout(() => {
      this.#pools.delete(runId);
      destroyPool(pool);
    }, this.#idleTimeoutMs);
    pool.timer.unref();
  }

  close(): void {
    for (const pool of this.#pools.values()) destroyPool(pool);
    this.#pools.clear();
  }
}

function createPool(idleTimeoutMs: number): ConnectionPool {
  const options = { keepAlive: true, timeout: idleTimeoutMs, maxFreeSockets: maxIdlePerRun };
  const agents = { http: new HttpAgent(options), https: new HttpsAgent(options) };
  refuseUnaskedBytes(agents.http);
  refuseUnaskedBytes(agents.https);
  return { agents, users: 0, timer: undefined };
}

function destroyPool(pool: ConnectionPool): void {
  clearTimeout(pool.timer);
  pool.agents.http.destroy();
  pool.agents.https.destroy();
}

/**
 * Closes a kept connection that received bytes while no request was assigned to it, because they
 * answer none of ours. Only recent versions of Node do this themselves.
 */
function refuseUnaskedBytes(agent: HttpAgent): void {
  const bytesAtRest = new WeakMap<Duplex, number>();
  const keep = agent.keepSocketAlive.bind(agent);
  const reuse = agent.reuseSocket.bind(agent);
  agent.keepSocketAlive = (socket: Socket) => {
    bytesAtRest.set(socket, socket.bytesRead);
    return keep(socket);
  };
  agent.reuseSocket = (socket: Socket, request: ClientRequest) => {
    reuse(socket, request);
    if (bytesAtRest.get(socket) !== socket.bytesRead) socket.destroy();
  };
}
