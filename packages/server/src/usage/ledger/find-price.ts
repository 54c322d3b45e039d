import { getHash } from "../../std/hash.ts";
import { getCost } from "../prices/cost.ts";
import type { PriceTable } from "../prices/price-table.ts";
import type { ModelPrice, ModelRequest } from "./model-request.ts";

const fingerprintLength = 12;

/** Finds the price that a request has now. Its version shows which requests had the same price. */
export function findPrice(prices: PriceTable, { model, route, api }: ModelRequest): ModelPrice | undefined {
  const price = model === undefined ? undefined : prices.findPrice({ model, route, api }, new Date());
  return (
    price && {
      version: getHash(JSON.stringify(price)).slice(0, fingerprintLength),
      getCost: (usage) => getCost(price, usage),
    }
  );
}
