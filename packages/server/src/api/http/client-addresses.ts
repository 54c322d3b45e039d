import { createHmac } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import proxyAddresses from "@fastify/proxy-addr";
import { isSameToken } from "../../access/index.ts";

/**
 * Marks a request that a server forwarded; the receiver answers or refuses it, and never forwards
 * it again.
 */
export const forwardedHeader = "x-wharf-forwarded";

export interface ClientAddressesOptions {
  /** Proxies whose `X-Forwarded-For` names the client. */
  readonly trustedProxies: readonly string[];
  /** Proves that another server of the installation has forwarded a request, and from where. */
  readonly forwardingKey: string;
}

type Message = Pick<IncomingMessage, "headers" | "method" | "socket" | "url">;

/**
 * Finds the client that sent a request: itself, through trusted proxies, or through another server
 * of the installation.
 */
export class ClientAddresses {
  readonly #isTrustedProxy: (address: string, index: number) => boolean;
  readonly #forwardingKey: string;

  constructor({ trustedProxies, forwardingKey }: ClientAddressesOptions) {
    this.#isTrustedProxy = proxyAddresses.compile([...trustedProxies]);
    this.#forwardingKey = forwardingKey;
  }

  find(message: Message): string {
    return this.#findForwarded(message) ?? this.#findSender(message);
  }

  /** Whether another server of the installation has forwarded the request. */
  isForwarded(message: Message): boolean {
    return this.#findForwarded(message) !== undefined;
  }

  /** Creates the header that proves to another server who sent a request. */
  createForwardedHeader(message: Message): Record<string, string> {
    const address = this.find(message);
    return { [forwardedHeader]: `${address} ${this.#createProof(message, address)}` };
  }

  #findForwarded(message: Message): string | undefined {
    const header = message.headers[forwardedHeader];
    if (header === undefined) return undefined;
    const [address = "", proof = ""] = String(header).split(" ");
    return isSameToken(proof, this.#createProof(message, address)) ? address : undefined;
  }

  /** What a proxy adds that is no address does not count. */
  #findSender(message: Message): string {
    const { remoteAddress } = message.socket;
    // A request over the data folder's socket has no address.
    if (remoteAddress === undefined) return "local";
    const addresses = proxyAddresses.all(message as IncomingMessage, this.#isTrustedProxy);
    return addresses.findLast((address) => isIP(address) !== 0) ?? remoteAddress;
  }

  #createProof({ method, url }: Message, address: string): string {
    return createHmac("sha256", this.#forwardingKey).update(`${address} ${method} ${url}`).digest("base64url");
  }
}
