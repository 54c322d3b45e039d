import { useSuspenseQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queries } from "../../api/index.ts";
import { Rows, Secret, Section } from "../../settings/index.ts";
import { TokenForm, TokenList, tokensQuery } from "../../tokens/index.ts";
import { AddPerson } from "./add-person.tsx";
import { Invitations } from "./invitations.tsx";
import { PersonRow } from "./person-row.tsx";

/** The people and programs of the organization. */
export function People() {
  const { data: members } = useSuspenseQuery(queries.members);
  const { data: tokens } = useSuspenseQuery(tokensQuery);
  const { data: whoami } = useSuspenseQuery(queries.whoami);
  const [link, setLink] = useState<{ readonly username: string; readonly url: string }>();
  const others = members.map(({ username }) => username).filter((name) => name !== whoami.user.username);
  return (
    <>
      <Section title="People and programs" hint="Admins may do everything here, members work, and viewers read.">
        {link && (
          <Secret
            hint={`This link logs ${link.username} in once. Hand it on: it is not shown again.`}
            text={link.url}
            onClose={() => setLink(undefined)}
          />
        )}
        <Rows label="People and programs" empty="Nobody belongs to the organization.">
          {members.map((member) => (
            <PersonRow
              key={member.id}
              member={member}
              isSelf={member.id === whoami.user.id}
              tokenCount={tokens.filter(({ username }) => username === member.username).length}
              onLink={(url) => setLink({ username: member.username, url })}
            />
          ))}
        </Rows>
      </Section>
      <Invitations />
      <Section title="Add an account" hint="For a program, or for a person whom you hand a login link.">
        <AddPerson />
      </Section>
      <Section title="Tokens of others" hint="A program logs in with a token of its account.">
        <TokenList tokens={tokens.filter(({ username }) => username !== whoami.user.username)} withOwner />
        {others.length > 0 && <TokenForm users={others} />}
      </Section>
    </>
  );
}
