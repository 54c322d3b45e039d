import { useSuspenseQuery } from "@tanstack/react-query";
import { queries } from "../api/index.ts";
import { NotificationChoice } from "../notifications/index.ts";
import { Row, Rows, Section, SettingsPage } from "../settings/index.ts";
import { visible } from "../text/index.ts";
import { TokenForm, TokenList, tokensQuery } from "../tokens/index.ts";
import { Sessions } from "./sessions.tsx";

/** The person's own logins and tokens, and where they belong. */
export function MePage() {
  const { data: whoami } = useSuspenseQuery(queries.whoami);
  const { user, organization, organizations } = whoami;
  return (
    <SettingsPage title={user.username}>
      {user.email !== "" && <p>{visible(user.email)}</p>}
      <Sessions />
      <Section
        title="Notifications"
        hint="The browser shows when a task that you created, or that is assigned to you, needs you or has ended. Nothing leaves this machine."
      >
        <NotificationChoice />
      </Section>
      <Section title="Passkeys and login providers">
        <p>
          <a href="/account">Change how you log in</a>
        </p>
      </Section>
      <Tokens username={user.username} />
      <Section title="Organizations">
        <Rows label="Organizations" empty="You belong to no organization.">
          {organizations.map(({ id, name, slug, role }) => (
            <Row
              key={id}
              name={visible(name)}
              badge={id === organization.id ? "shown here" : undefined}
              details={`${visible(slug)} · ${role}`}
            />
          ))}
        </Rows>
      </Section>
    </SettingsPage>
  );
}

function Tokens({ username }: { username: string }) {
  const { data: tokens } = useSuspenseQuery(tokensQuery);
  return (
    <Section title="Tokens" hint="Programs use a token to act as you in this organization.">
      <TokenList tokens={tokens.filter((token) => token.username === username)} />
      <TokenForm />
    </Section>
  );
}
