import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as httpRequest,
} from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { WharfError } from "@wharf/contract";
import { getConnectionHeaders } from "@wharf/contract/wire";
import { createScope, type Authenticator } from "../../access/index.ts";
import type { RunnerLinks, StandaloneRunners } from "../../runners/index.ts";
import { type ClientAddresses, forwardedHeader } from "../http/client-addresses.ts";
import { HeldElsewhereError, type Peers } from "../http/peers.ts";
import { previewNeed, type PreviewUse } from "./open-previews.ts";
import { type PreviewOrigins, toBrowserHeaders, toProgramHeaders } from "./preview-headers.ts";
import { openTunnel } from "./runner-tunnel.ts";

export interface PreviewUpstreamOptions {
  readonly standaloneRunners: Pick<StandaloneRunners, "get">;
  readonly runnerLinks: RunnerLinks;
  readonly peers?: Peers | undefined;
  readonly clientAddresses: ClientAddresses;
  readonly authenticator: Authenticator;
}

/** A request that is not sent yet, and what becomes of the answer's headers. */
export interface Upstream {
  readonly request: ClientRequest;
  readonly toAnswerHeaders: (answer: IncomingMessage) => OutgoingHttpHeaders;
}

interface PreviewRequest {
  readonly message: IncomingMessage;
  readonly preview: PreviewUse;
  readonly frameAncestors: string;
  /** Ends the way to the program. */
  readonly signal: AbortSignal;
}

/** Leads requests of previews to their programs, or to the server that holds the runner. */
export class PreviewUpstreams {
  readonly #options: PreviewUpstreamOptions;

  constructor(options: PreviewUpstreamOptions) {
    this.#options = options;
  }

  async open(request: PreviewRequest): Promise<Upstream> {
    try {
      return await this.#openProgram(request);
    } catch (error) {
      if (error instanceof HeldElsewhereError) return this.#openPeer(error, request.message);
      throw error;
    }
  }

  async #openProgram({ message, preview, frameAncestors, signal }: PreviewRequest): Promise<Upstream> {
    const { runnerLinks } = this.#options;
    const { port } = preview.target;
    const runner = await this.#getReadyRunner(preview);
    const origins = getOrigins(message, port);
    const isWharfToken = await this.#provesPerson(message);
    const tunnel = await openTunnel(runnerLinks.acquire(runner), port, signal);
    const headers = toProgramHeaders(message.headers, { origins, isWharfToken });
    const upgrade = message.headers.upgrade;
    const request = httpRequest({
      createConnection: () => tunnel,
      method: message.method,
      path: toPath(message.url),
      headers: upgrade === undefined ? headers : { ...headers, connection: "upgrade", upgrade },
    });
    let isUpgraded = false;
    request.once("upgrade", () => (isUpgraded = true));
    // An upgraded connection outlives its request.
    request.once("close", () => isUpgraded || tunnel.destroy());
    return { request, toAnswerHeaders: (answer) => toBrowserHeaders(answer.headers, { origins, frameAncestors }) };
  }

  /** No request of a page starts a runner: a page that is left open would keep it running. */
  async #getReadyRunner({ caller, target }: PreviewUse) {
    const { standaloneRunners, peers } = this.#options;
    const runner = await standaloneRunners.get(createScope(caller, previewNeed), target.runnerId);
    const { id, state, desired } = runner;
    if (desired === "DESTROYED") throw new WharfError("runner_not_running", { runner_id: id, state: "DESTROYED" });
    if (state !== "READY") throw new WharfError("runner_not_running", { runner_id: id, state });
    if (desired !== "READY") throw new WharfError("runner_stopping", {});
    await peers?.requireLocalRunner(id);
    return runner;
  }

  /** Whether a request has a credential of Wharf, which a script may send everywhere. */
  async #provesPerson({ headers: { authorization } }: IncomingMessage): Promise<boolean> {
    if (authorization === undefined) return false;
    try {
      await this.#options.authenticator.authenticate({ authorization });
      return true;
    } catch (error) {
      return !(error instanceof WharfError && error.code === "unauthenticated");
    }
  }

  /** The other server checks everything again. */
  #openPeer(holder: HeldElsewhereError, message: IncomingMessage): Upstream {
    const { clientAddresses } = this.#options;
    const { upgrade } = message.headers;
    if (message.headers[forwardedHeader] !== undefined) {
      const reason = "another server is taking it over";
      throw new WharfError("runner_unavailable", { runner_id: holder.runnerId, reason });
    }
    const target = new URL(toPath(message.url), holder.address);
    const send = target.protocol === "https:" ? httpsRequest : httpRequest;
    const request = send(target, {
      method: message.method,
      headers: {
        ...withoutConnection(message.headers),
        ...(upgrade !== undefined && { connection: "upgrade", upgrade }),
        ...clientAddresses.createForwardedHeader(message),
      },
      agent: false,
      ...(isIP(target.hostname) === 0 && { servername: target.hostname }),
    });
    return { request, toAnswerHeaders: ({ headers }) => withoutConnection(headers) };
  }
}

function withoutConnection(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const dropped = getConnectionHeaders(headers.connection);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !dropped.has(name)));
}

function getOrigins({ headers }: IncomingMessage, port: number): PreviewOrigins {
  // Only a browser's `Origin` shows whether a proxy has removed TLS.
  const outside = [`http://${headers.host}`, `https://${headers.host}`];
  const seen = outside.find((one) => headers.origin === one || headers.referer?.startsWith(`${one}/`));
  return { outside: seen ?? `http://${headers.host}`, inside: `localhost:${port}` };
}

/** A client may send a whole URL; the program gets the path of it. */
function toPath(url = "/"): string {
  if (url.startsWith("/")) return url;
  const parsed = URL.parse(url);
  return parsed === null ? "/" : `${parsed.pathname}${parsed.search}`;
}
