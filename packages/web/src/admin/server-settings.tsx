import { queryOptions, useSuspenseQuery } from "@tanstack/react-query";
import type { ServerSetting } from "@wharf/client";
import { wharf } from "../api/index.ts";
import { Section } from "../settings/index.ts";
import { visible } from "../text/index.ts";
import styles from "./admin.module.css";

const settingsQuery = queryOptions({
  queryKey: ["server", "settings"],
  queryFn: async ({ signal }) => (await wharf.server.listServerSettings({ signal })).settings,
});

/** What the server was started with: what the environment sets comes first. */
export function ServerSettings() {
  const { data: settings } = useSuspenseQuery(settingsQuery);
  const isSet = ({ source }: ServerSetting) => source === "environment";
  const inOrder = [...settings.filter(isSet), ...settings.filter((setting) => !isSet(setting))];
  return (
    <Section
      title="Settings"
      hint="The environment of the server sets them when it starts. Values that may be secrets are not shown."
    >
      <div className={styles.scroller} tabIndex={0} role="group" aria-label="Settings">
        <table>
          <thead>
            <tr>
              <th scope="col">Setting</th>
              <th scope="col">Value</th>
              <th scope="col">From</th>
            </tr>
          </thead>
          <tbody>
            {inOrder.map(({ name, source, is_secret: isSecret, value }) => (
              <tr key={name}>
                <td>
                  <code>{name}</code>
                </td>
                <td>{describeValue(value, isSecret && source === "environment")}</td>
                <td>{source === "environment" ? "the environment" : "the default"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

const describeValue = (value: string | undefined, isHidden: boolean): string =>
  isHidden ? "set, not shown" : visible(value ?? "–");
