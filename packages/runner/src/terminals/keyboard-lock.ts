import { WharfError } from "@wharf/contract";

interface KeyboardLockOptions {
  /** Whether someone of this name looks on: who does not, holds nothing. */
  readonly isAttached: (viewer: string) => boolean;
  readonly onChange: (typist: string | null) => void;
}

/** One types at a time. The first to type is the typist, until it leaves, lets go, or another takes over. */
export class KeyboardLock {
  readonly #options: KeyboardLockOptions;
  #typist: string | null = null;

  constructor(options: KeyboardLockOptions) {
    this.#options = options;
  }

  get typist(): string | null {
    return this.#typist;
  }

  /** Refuses who does not have it and does not take it. */
  acquire(viewer: string, take: boolean): void {
    const holder = this.#typist;
    if (holder !== null && holder !== viewer && !take && this.#options.isAttached(holder))
      throw new WharfError("conflict", { what: "keyboard", from: `used by ${holder}`, to: `used by ${viewer}` });
    this.#setTypist(viewer);
  }

  release(viewer: string): void {
    if (this.#typist === viewer) this.#setTypist(null);
  }

  #setTypist(typist: string | null): void {
    if (this.#typist === typist) return;
    this.#typist = typist;
    this.#options.onChange(typist);
  }
}
