import type { IncomingMessage } from "node:http";
import { WharfError } from "@wharf/contract";
import { type Principal, sameToken } from "../access/index.ts";

export interface GuardOptions {
  /** The address it listens on and further names it answers to. */
  readonly hosts: readonly string[];
  readonly token: string;
  readonly owner: Principal;
}

/** Paths that answer without a token. */
const open: ReadonlySet<string> = new Set(["/health"]);

/**
 * Who may come in at all. The Host check keeps out pages that had a name of theirs point here (DNS rebinding), the Origin
 * check keeps out pages of others that a person's browser has open; the token keeps out everyone else.
 */
export class Guard {
  readonly #options: GuardOptions;
  readonly #hosts: ReadonlySet<string>;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.#hosts = new Set(["localhost", "127.0.0.1", "[::1]", ...options.hosts]);
  }

  check(request: Pick<IncomingMessage, "headers" | "url">): Principal | undefined {
    this.#checkName(`http://${request.headers.host ?? ""}`);
    if (request.headers.origin !== undefined) this.#checkName(request.headers.origin);
    if (open.has(new URL(request.url ?? "/", "http://localhost").pathname)) return undefined;
    const given = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
    if (!given || !sameToken(given, this.#options.token)) throw new WharfError("unauthenticated", {});
    return this.#options.owner;
  }

  #checkName(address: string): void {
    const name = URL.canParse(address) ? new URL(address).hostname : "";
    if (!this.#hosts.has(name)) throw new WharfError("forbidden_origin", { host: name || address });
  }
}
