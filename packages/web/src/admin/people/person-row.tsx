import type { Member, OrganizationRole } from "@wharf/client";
import { queries, wharf } from "../../api/index.ts";
import { ConfirmButton, Moment, Row, useChange } from "../../settings/index.ts";
import { visible } from "../../text/index.ts";
import { tokensQuery } from "../../tokens/index.ts";
import { roles } from "./people-queries.ts";

interface PersonRowProps {
  readonly member: Member;
  readonly isSelf: boolean;
  /** The number of the member's tokens in the organization. */
  readonly tokenCount: number;
  /** Shows a new login link. */
  readonly onLink: (url: string) => void;
}

export function PersonRow({ member, isSelf, tokenCount, onLink }: PersonRowProps) {
  const { id, username, email, role, is_service: isService, created_at: createdAt } = member;
  const name = visible(username);
  const change = useChange(queries.members.queryKey, tokensQuery.queryKey);
  const setRole = (next: OrganizationRole) => {
    const set = (role: OrganizationRole) => () => wharf.users.setMemberRole(id, { role });
    void change(set(next), { done: `The role of ${name} is now ${next}.`, undo: set(role) });
  };
  const createLink = () =>
    change(async () => {
      const { path } = await wharf.users.createUserLink(id);
      onLink(new URL(path, window.location.origin).href);
    });
  return (
    <Row
      name={name}
      badge={isService ? "program" : isSelf ? "you" : undefined}
      details={
        <>
          {email !== "" && `${visible(email)} · `}since <Moment timestamp={createdAt} />
        </>
      }
    >
      <select
        aria-label={`Role of ${name}`}
        value={role}
        onChange={({ target }) => setRole(target.value as OrganizationRole)}
      >
        {roles.map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
      {!isService && !isSelf && (
        <button aria-label={`Login link for ${name}`} onClick={() => void createLink()}>
          Login link
        </button>
      )}
      {!isService && !isSelf && (
        <ConfirmButton
          label="End logins"
          subject={name}
          title={`End all logins of ${name}?`}
          run={() => change(() => wharf.users.endUserSessions(id), { done: `The logins of ${name} were ended.` })}
        >
          <p>All browsers and programs of {name} have to log in again, and open links stop working. Tokens stay.</p>
        </ConfirmButton>
      )}
      {!isSelf && (
        <ConfirmButton
          label="Remove"
          subject={name}
          title={`Remove ${name} from the organization?`}
          run={() => change(() => wharf.users.removeMember(id), { done: `${name} was removed.` })}
        >
          <p>
            {`${name} loses access at once, also on all boards. ${describeTokens(tokenCount)} Tasks that are assigned to ${name} are assigned to nobody. The tasks themselves, their logs and branches stay.`}
          </p>
        </ConfirmButton>
      )}
    </Row>
  );
}

function describeTokens(count: number): string {
  if (count === 0) return "There are no tokens.";
  return count === 1 ? "One token is revoked." : `${count} tokens are revoked.`;
}
