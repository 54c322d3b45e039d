import { useSuspenseQuery } from "@tanstack/react-query";
import type { Permission } from "@wharf/client";
import { permissions as knownPermissions } from "@wharf/contract/permissions";
import { useState } from "react";
import { queries, wharf } from "../api/index.ts";
import { Field } from "../new-task/index.ts";
import { Form, readField, Secret, settingsStyles, useChange } from "../settings/index.ts";
import { visible } from "../text/index.ts";
import { tokensQuery } from "./token-queries.ts";
import styles from "./tokens.module.css";

const lifetimes = [
  ["90", "in 90 days"],
  ["7", "in a week"],
  ["30", "in 30 days"],
  ["365", "in a year"],
  ["", "never"],
] as const;

/** Creates a token, and shows it once. */
export function TokenForm({ users }: { users?: readonly string[] }) {
  const { data: whoami } = useSuspenseQuery(queries.whoami);
  const change = useChange(tokensQuery.queryKey);
  const [created, setCreated] = useState<{ readonly name: string; readonly token: string }>();
  const [isLimited, setLimited] = useState(false);
  const create = (fields: FormData) => {
    const permissions = fields.getAll("permission") as Permission[];
    const days = readField(fields, "expires");
    const user = readField(fields, "user");
    return change(async () => {
      const token = await wharf.tokens.createAccessToken({
        name: readField(fields, "name"),
        ...(isLimited && { permissions }),
        ...(days !== "" && { expires_in_days: Number(days) }),
        ...(user !== "" && { user }),
      });
      setCreated(token);
      setLimited(false);
    });
  };
  return (
    <>
      {created && (
        <Secret
          hint={`The token ${visible(created.name)}. Copy it now: it is not shown again.`}
          text={created.token}
          onClose={() => setCreated(undefined)}
        />
      )}
      <Form label="New token" action="Create token" send={create}>
        <Field label="Name of the token">
          {(input) => <input {...input} name="name" required maxLength={100} placeholder="what it is for" />}
        </Field>
        {users && (
          <Field label="User of the token">
            {(input) => (
              <select {...input} name="user">
                {users.map((user) => (
                  <option key={user} value={user}>
                    {visible(user)}
                  </option>
                ))}
              </select>
            )}
          </Field>
        )}
        <Field label="Expires">
          {(input) => (
            <select {...input} name="expires">
              {lifetimes.map(([days, text]) => (
                <option key={days} value={days}>
                  {text}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Allows">
          {(input) => (
            <select
              {...input}
              value={isLimited ? "some" : "all"}
              onChange={({ target }) => setLimited(target.value === "some")}
            >
              <option value="all">Everything that its user may do</option>
              <option value="some">Only some things</option>
            </select>
          )}
        </Field>
        {isLimited && (
          <fieldset className={styles.permissions}>
            <legend className={settingsStyles["hint"]}>The token is refused everything else.</legend>
            {whoami.permissions.map((permission) => (
              <label key={permission}>
                <input type="checkbox" name="permission" value={permission} />
                <span>
                  {knownPermissions[permission].summary} <code>{permission}</code>
                </span>
              </label>
            ))}
          </fieldset>
        )}
      </Form>
    </>
  );
}
