import { useSuspenseQuery } from "@tanstack/react-query";
import type { OrganizationRole } from "@wharf/client";
import { useState } from "react";
import { wharf } from "../../api/index.ts";
import { Field } from "../../new-task/index.ts";
import { ConfirmButton, Form, Moment, readField, Row, Rows, Secret, Section, useChange } from "../../settings/index.ts";
import { visible } from "../../text/index.ts";
import { RoleField } from "./add-person.tsx";
import { invitationsQuery } from "./people-queries.ts";

/** The invitations that nobody has accepted yet. */
export function Invitations() {
  const { data: invitations } = useSuspenseQuery(invitationsQuery);
  const change = useChange(invitationsQuery.queryKey);
  const [created, setCreated] = useState<{ readonly email: string; readonly url: string }>();
  const invite = (fields: FormData) =>
    change(async () => {
      const { email, path } = await wharf.invitations.createInvitation({
        email: readField(fields, "email"),
        role: readField(fields, "role") as OrganizationRole,
      });
      setCreated({ email, url: new URL(path, window.location.origin).href });
    });
  return (
    <Section title="Invitations" hint="Wharf sends no mail: hand on the link, with which a person creates an account.">
      {created && (
        <Secret
          hint={`The invitation of ${visible(created.email)}. Copy the link now: it is not shown again.`}
          text={created.url}
          onClose={() => setCreated(undefined)}
        />
      )}
      <Rows label="Invitations" empty="No invitation is open.">
        {invitations.map(({ id, email, role, expires_at }) => (
          <Row
            key={id}
            name={visible(email)}
            badge={role}
            details={
              <>
                expires <Moment timestamp={expires_at} />
              </>
            }
          >
            <ConfirmButton
              label="Withdraw"
              subject={visible(email)}
              title={`Withdraw the invitation of ${visible(email)}?`}
              run={() =>
                change(() => wharf.invitations.revokeInvitation(id), { done: "The invitation was withdrawn." })
              }
            >
              <p>Its link stops working. You can invite the person again, with another link.</p>
            </ConfirmButton>
          </Row>
        ))}
      </Rows>
      <Form label="Invite a person" action="Create invitation" send={invite}>
        <Field label="E-mail address">
          {(input) => <input {...input} name="email" type="email" required maxLength={255} autoComplete="off" />}
        </Field>
        <RoleField />
      </Form>
    </Section>
  );
}
