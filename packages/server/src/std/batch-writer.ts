interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

export interface BatchWriterOptions<Item, Result> {
  /** Writes the items in one statement, and returns a result for each, in their order. */
  readonly write: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly maxItems: number;
  /** Maximum number of batches that are written at the same time. */
  readonly maxBatches: number;
}

/**
 * Writes what many callers add in few statements. An item that finds no batch on its way is written
 * at once; others wait until a batch is done, and the next one takes all of them.
 */
export class BatchWriter<Item, Result> {
  readonly #options: BatchWriterOptions<Item, Result>;
  readonly #waiting: Waiting<Item, Result>[] = [];
  #openBatches = 0;

  constructor(options: BatchWriterOptions<Item, Result>) {
    this.#options = options;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#writeNext();
    });
  }

  #writeNext(): void {
    const { maxBatches, maxItems } = this.#options;
    if (this.#waiting.length === 0 || this.#openBatches >= maxBatches) return;
    this.#openBatches++;
    const batch = this.#waiting.splice(0, maxItems);
    this.#options.write(batch.map(({ item }) => item)).then(
      (results) => this.#endBatch(() => batch.forEach(({ resolve }, index) => resolve(results[index]!))),
      (error: unknown) => this.#endBatch(() => batch.forEach(({ reject }) => reject(error))),
    );
  }

  /** Sends the next batch first: the callers of this one have work to do. */
  #endBatch(notifyCallers: () => void): void {
    this.#openBatches--;
    this.#writeNext();
    notifyCallers();
  }
}
