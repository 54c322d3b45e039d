/** Addresses of the loopback network that nothing else uses: 127.64.0.0/10. */
const firstAddress = 0x7f_40_00_00;
const addressCount = 2 ** 22;
const maxNames = 65_536;

/**
 * Gives each name an address of the loopback network, so that a connection to the address tells the
 * name. The oldest names make room for new ones.
 */
export class HostAddresses {
  readonly #addresses = new Map<string, string>();
  readonly #names = new Map<string, string>();
  #next = 1;

  getAddress(name: string): string {
    const known = this.#addresses.get(name);
    if (known !== undefined) {
      // The map's order puts the name that was not asked for the longest first.
      this.#addresses.delete(name);
      this.#addresses.set(name, known);
      return known;
    }
    if (this.#addresses.size >= maxNames) this.#forgetOldest();
    const address = formatAddress(firstAddress + this.#next);
    this.#next = (this.#next % (addressCount - 2)) + 1;
    this.#addresses.set(name, address);
    this.#names.set(address, name);
    return address;
  }

  /** Returns the name that has the address. */
  findName(address: string): string | undefined {
    return this.#names.get(address);
  }

  #forgetOldest(): void {
    for (const [name, address] of this.#addresses) {
      this.#addresses.delete(name);
      this.#names.delete(address);
      return;
    }
  }
}

const formatAddress = (address: number): string => [24, 16, 8, 0].map((bits) => (address >>> bits) & 0xff).join(".");
