import type { OrganizationRole } from "@wharf/client";
import { queries, wharf } from "../../api/index.ts";
import { Field } from "../../new-task/index.ts";
import { Form, readField, useChange } from "../../settings/index.ts";
import { roles } from "./people-queries.ts";

/** Adds an account to the organization. */
export function AddPerson() {
  const change = useChange(queries.members.queryKey);
  const add = (fields: FormData) => {
    const username = readField(fields, "username");
    return change(
      () =>
        wharf.users.addMember({
          username,
          role: readField(fields, "role") as OrganizationRole,
          is_service: readField(fields, "kind") === "program",
        }),
      { done: `${username} was added.` },
    );
  };
  return (
    <Form label="Add an account" action="Add account" send={add}>
      <Field label="User name">
        {(input) => (
          <input
            {...input}
            name="username"
            required
            maxLength={100}
            pattern="[a-z0-9][a-z0-9._\-]*"
            autoComplete="off"
          />
        )}
      </Field>
      <Field label="Kind">
        {(input) => (
          <select {...input} name="kind">
            <option value="program">program, with tokens and no login</option>
            <option value="person">person</option>
          </select>
        )}
      </Field>
      <RoleField />
    </Form>
  );
}

export function RoleField() {
  return (
    <Field label="Role">
      {(input) => (
        <select {...input} name="role">
          {roles.map((role) => (
            <option key={role}>{role}</option>
          ))}
        </select>
      )}
    </Field>
  );
}
