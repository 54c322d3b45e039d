import { WharfError } from "@wharf/contract";

interface KeyboardLockOptions {
  /** Returns whether a viewer of this name is attached: a detached viewer cannot hold the lock. */
  readonly isAttached: (viewer: string) => boolean;
  readonly onChange: (typist: string | null) => void;
}

/**
 * Lets one viewer type at a time. The first viewer to type becomes the typist until that viewer
 * leaves, releases the lock, or loses it to another viewer.
 */
export class KeyboardLock {
  readonly #options: KeyboardLockOptions;
  #typist: string | null = null;

  constructor(options: KeyboardLockOptions) {
    this.#options = options;
  }

  get typist(): string | null {
    return this.#typist;
  }

  /** Rejects a viewer that neither holds nor takes the lock. */
  acquire(viewer: string, take: boolean): void {
    const holder = this.#typist;
    if (holder !== null && holder !== viewer && !take && this.#options.isAttached(holder))
      throw new WharfError("keyboard_in_use", { holder });
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
