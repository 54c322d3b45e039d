import { lookup } from "node:dns/promises";
import ipaddr from "ipaddr.js";

export interface HostAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** @param asker The runner that wants to connect; the server itself has none. */
export type FindAddresses = (name: string, asker?: string) => Promise<readonly HostAddress[]>;

/** Addresses of networks that an entry may allow: a company's own, and those reserved for tests. */
const privateRanges: ReadonlySet<string> = new Set(["private", "uniqueLocal", "carrierGradeNat", "reserved"]);

/**
 * Addresses outside of the link-local range at which providers serve a machine's metadata and
 * credentials: AWS, Alibaba, Oracle and Azure.
 */
const metadataAddresses: ReadonlySet<string> = new Set([
  "fd00:ec2::254",
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
]);

/**
 * Returns the addresses to which a connection may go. Loopback, link-local and multicast addresses
 * are never among them, in any notation: they lead to this machine or to its provider's metadata.
 */
export function selectAddresses(addresses: readonly HostAddress[], allowsPrivate: boolean): HostAddress[] {
  return addresses.filter(({ address }) => {
    if (!ipaddr.isValid(address)) return false;
    const parsed = ipaddr.process(address);
    if (metadataAddresses.has(parsed.toString())) return false;
    const range = parsed.range();
    return range === "unicast" || (allowsPrivate && privateRanges.has(range));
  });
}

/** Returns whether the address is this machine, in any notation. */
export const isLoopback = (address: string): boolean =>
  ipaddr.isValid(address) && ipaddr.process(address).range() === "loopback";

/** Each lookup takes a thread of the few that also serve the file system. */
const maxLookups = 2;

/**
 * Resolves names as this machine does, a few at a time, and each name once at a time. Runners take
 * turns, so that one whose names have no answer delays the others by a lookup at most.
 */
export class AddressFinder {
  readonly #lookup: typeof lookup;
  readonly #open = new Map<string, Promise<readonly HostAddress[]>>();
  readonly #running = new Set<string>();
  /** In the order of their turns. */
  readonly #waitingByAsker = new Map<string, (() => void)[]>();

  constructor(resolve: typeof lookup = lookup) {
    this.#lookup = resolve;
  }

  readonly find: FindAddresses = (name, asker = name) => {
    const open = this.#open.get(name) ?? this.#resolve(name, asker).finally(() => this.#open.delete(name));
    this.#open.set(name, open);
    return open;
  };

  async #resolve(name: string, asker: string): Promise<readonly HostAddress[]> {
    await this.#waitForTurn(asker);
    try {
      const addresses = await this.#lookup(name, { all: true, order: "verbatim" });
      return addresses.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
    } finally {
      this.#endTurn(asker);
    }
  }

  async #waitForTurn(asker: string): Promise<void> {
    const turn = Promise.withResolvers<void>();
    const waiting = this.#waitingByAsker.get(asker) ?? [];
    waiting.push(turn.resolve);
    this.#waitingByAsker.set(asker, waiting);
    this.#startNext();
    await turn.promise;
  }

  #endTurn(asker: string): void {
    this.#running.delete(asker);
    const waiting = this.#waitingByAsker.get(asker);
    this.#waitingByAsker.delete(asker);
    if (waiting && waiting.length > 0) this.#waitingByAsker.set(asker, waiting);
    this.#startNext();
  }

  #startNext(): void {
    if (this.#running.size >= maxLookups) return;
    for (const [asker, waiting] of this.#waitingByAsker) {
      if (this.#running.has(asker)) continue;
      this.#running.add(asker);
      return waiting.shift()?.();
    }
  }
}
