export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly isFailure: boolean;
  /** What the person can do about it, such as undo it. */
  readonly action?: { readonly label: string; readonly run: () => void } | undefined;
}

const lifetimeMs = 8_000;
/** A failure has to be read. */
const failureLifetimeMs = 20_000;
const maxToasts = 3;

/** Short messages about what the person just did. */
class ToastStore {
  #toasts: readonly Toast[] = [];
  #lastId = 0;
  readonly #listeners = new Set<() => void>();

  show(text: string, options: Partial<Pick<Toast, "isFailure" | "action">> = {}): void {
    const id = ++this.#lastId;
    const { isFailure = false, action } = options;
    this.#set([...this.#toasts, { id, text, isFailure, action }].slice(-maxToasts));
    window.setTimeout(() => this.remove(id), isFailure ? failureLifetimeMs : lifetimeMs);
  }

  remove(id: number): void {
    this.#set(this.#toasts.filter((toast) => toast.id !== id));
  }

  readonly get = (): readonly Toast[] => this.#toasts;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #set(all: readonly Toast[]): void {
    this.#toasts = all;
    for (const listener of this.#listeners) listener();
  }
}

export const toasts = new ToastStore();
