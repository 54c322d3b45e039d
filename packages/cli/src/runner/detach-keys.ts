const ctrlP = 0x10;
const ctrlQ = 0x11;
const ctrlT = 0x14;

/**
 * Finds ctrl-p ctrl-q (detach) and ctrl-p ctrl-t (take over) in the input. A ctrl-p waits for the
 * next key: with any other key, both are sent.
 */
export class DetachKeys {
  #isPrefixHeld = false;

  read(bytes: Buffer): { send: Buffer; detach: boolean; take: boolean } {
    const send: number[] = [];
    let take = false;
    for (const byte of bytes) {
      if (this.#isPrefixHeld && byte === ctrlQ) {
        this.#isPrefixHeld = false;
        return { send: Buffer.from(send), detach: true, take };
      }
      if (this.#isPrefixHeld && byte === ctrlT) {
        this.#isPrefixHeld = false;
        take = true;
        continue;
      }
      if (this.#isPrefixHeld) send.push(ctrlP);
      this.#isPrefixHeld = byte === ctrlP;
      if (!this.#isPrefixHeld) send.push(byte);
    }
    return { send: Buffer.from(send), detach: false, take };
  }
}
