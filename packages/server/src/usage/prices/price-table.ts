import type { ModelPrice } from "@wharf/contract";
import { PriceFile, type PriceEntry, type PriceVersion } from "./price-list.ts";
import published from "./published.json" with { type: "json" };

export interface PricedModel {
  /** The name of the model route. */
  readonly route: string;
  readonly api: "gemini" | "anthropic" | "openai";
  readonly model: string;
}

/**
 * The prices of models: those that the providers have published, and before them the person's own.
 * A model without a price has none here; nothing is assumed about it.
 */
export class PriceTable {
  readonly #files: readonly PriceFile[];

  constructor(ownPrices?: PriceFile) {
    this.#files = [...(ownPrices ? [ownPrices] : []), PriceFile.parse(published)];
  }

  /** Lists the prices that are valid at a time, the person's own first. */
  list(time: Date): ModelPrice[] {
    return this.#files.flatMap(({ versions }, index) =>
      (findVersion(versions, time)?.prices ?? []).map(({ models, api, route, input, cached, cache_write, output }) => ({
        models,
        source: index < this.#files.length - 1 ? ("setting" as const) : ("published" as const),
        ...(api && { api }),
        ...(route !== undefined && { route }),
        input,
        ...(cached !== undefined && { cached }),
        ...(cache_write !== undefined && { cache_write }),
        output,
      })),
    );
  }

  /** Returns the price that is valid at a time; undefined if the model has none. */
  findPrice(model: PricedModel, at: Date): PriceEntry | undefined {
    for (const { versions } of this.#files) {
      const price = findEntry(findVersion(versions, at)?.prices ?? [], model);
      if (price) return price;
    }
    return undefined;
  }
}

/** The newest version that is valid; before the first one, the first. */
function findVersion(versions: readonly PriceVersion[], at: Date): PriceVersion | undefined {
  const day = at.toISOString().slice(0, 10);
  const sorted = versions.toSorted((one, other) => (one.from < other.from ? -1 : 1));
  return sorted.findLast(({ from }) => from <= day) ?? sorted[0];
}

/** An entry for the route wins over one for all routes, then the longer name over the shorter. */
function findEntry(prices: readonly PriceEntry[], { route, api, model }: PricedModel): PriceEntry | undefined {
  let best: { readonly price: PriceEntry; readonly rank: number } | undefined;
  for (const price of prices) {
    if ((price.route ?? route) !== route || (price.api ?? api) !== api) continue;
    const match = Math.max(...price.models.map((name) => getMatch(name, model)));
    const rank = match < 0 ? -1 : match + (price.route === undefined ? 0 : routeRank);
    if (rank > (best?.rank ?? -1)) best = { price, rank };
  }
  return best?.price;
}

/** More than any name of a model has characters. */
const routeRank = 10_000;

/** Returns how well a name stands for a model: an exact one best, a long beginning better. */
function getMatch(name: string, model: string): number {
  if (name === model) return model.length + 1;
  return name.endsWith("*") && model.startsWith(name.slice(0, -1)) ? name.length - 1 : -1;
}
