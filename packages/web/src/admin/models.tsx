import { queryOptions, useSuspenseQuery } from "@tanstack/react-query";
import type { ModelPrice } from "@wharf/client";
import { wharf } from "../api/index.ts";
import { Row, Rows, Section } from "../settings/index.ts";
import { visible } from "../text/index.ts";
import styles from "./admin.module.css";

const modelsQuery = queryOptions({
  queryKey: ["server", "models"],
  queryFn: ({ signal }) => wharf.server.listModelRoutes({ signal }),
});

/** The ways to models and what they cost. The server shows no key. */
export function Models() {
  const { data } = useSuspenseQuery(modelsQuery);
  return (
    <>
      <Section title="Routes" hint="The gateway adds the keys. No runner and no page has them.">
        <Rows label="Routes" empty="The server has no key for a model.">
          {data.routes.map(({ name, api, models, upstreams }) => (
            <Row
              key={name}
              name={visible(name)}
              badge={api}
              details={visible(
                [
                  ...upstreams.map(({ origin, key, weight }) => `${origin} with ${key}, weight ${weight}`),
                  models && `models: ${models.join(", ")}`,
                ]
                  .filter(Boolean)
                  .join(" · "),
              )}
            />
          ))}
        </Rows>
      </Section>
      <Section
        title="Prices"
        hint="US dollars for a million tokens, today. Those of the file that WHARF_PRICES names come before the published ones. A long context may cost more."
      >
        <PriceTable prices={data.prices} />
      </Section>
    </>
  );
}

function PriceTable({ prices }: { prices: readonly ModelPrice[] }) {
  return (
    <div className={styles.scroller} tabIndex={0} role="group" aria-label="Prices">
      <table>
        <thead>
          <tr>
            <th scope="col">Models</th>
            <th scope="col">Input</th>
            <th scope="col">Cached</th>
            <th scope="col">Output</th>
            <th scope="col">From</th>
          </tr>
        </thead>
        <tbody>
          {prices.map((price, index) => (
            <tr key={index}>
              <td>
                {visible(price.models.join(", "))}
                {price.route !== undefined && <small>{visible(`route ${price.route}`)}</small>}
              </td>
              <td>{price.input}</td>
              <td>{price.cached ?? price.input}</td>
              <td>{price.output}</td>
              <td>{price.source === "setting" ? "WHARF_PRICES" : "the provider"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
