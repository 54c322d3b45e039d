const ctrlP = 0x10;
const ctrlQ = 0x11;

/**
 * Finds ctrl-p ctrl-q in what is typed. A ctrl-p waits for the key behind it: with any other, both go on.
 */
export class DetachKeys {
  #held = false;

  read(bytes: Buffer): { send: Buffer; detach: boolean } {
    const send: number[] = [];
    for (const byte of bytes) {
      if (this.#held && byte === ctrlQ) {
        this.#held = false;
        return { send: Buffer.from(send), detach: true };
      }
      if (this.#held) send.push(ctrlP);
      this.#held = byte === ctrlP;
      if (!this.#held) send.push(byte);
    }
    return { send: Buffer.from(send), detach: false };
  }
}
