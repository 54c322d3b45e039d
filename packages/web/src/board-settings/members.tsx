import { queryOptions, useQuery, useSuspenseQuery } from "@tanstack/react-query";
import type { BoardMember, BoardRole } from "@wharf/client";
import { maxPageLength, queries, wharf } from "../api/index.ts";
import { Field } from "../new-task/index.ts";
import { Form, readField, Row, Rows, Section, useChange } from "../settings/index.ts";
import { visible } from "../text/index.ts";

const roles: readonly BoardRole[] = ["editor", "viewer", "owner"];

const membersQuery = (boardId: string) =>
  queryOptions({
    queryKey: ["board", boardId, "members"],
    queryFn: ({ signal }) =>
      Array.fromAsync(wharf.boards.iterateBoardMembers(boardId, { limit: maxPageLength }, { signal })),
  });

interface MembersProps {
  readonly boardId: string;
  readonly canShare: boolean;
}

/** The people with whom the board is shared. */
export function Members({ boardId, canShare }: MembersProps) {
  const { data: members } = useSuspenseQuery(membersQuery(boardId));
  const change = useChange(membersQuery(boardId).queryKey, queries.boards.queryKey);
  const share = (user: string, role: BoardRole) => () => wharf.boards.shareBoard(boardId, user, { role });
  const setRole = ({ id, username, role }: BoardMember, next: BoardRole) =>
    void change(share(id, next), {
      done: `The role of ${visible(username)} is now ${next}.`,
      undo: share(id, role),
    });
  const unshare = ({ id, username, role }: BoardMember) =>
    void change(() => wharf.boards.unshareBoard(boardId, id), {
      done: `The board is no longer shared with ${visible(username)}.`,
      undo: share(id, role),
    });
  return (
    <Section
      title="People"
      hint="Owners do everything, editors work with the tasks, viewers read. Admins see every board."
    >
      <Rows label="People" empty="The board is shared with nobody.">
        {members.map((member) => {
          const name = visible(member.username);
          return (
            <Row key={member.id} name={name} badge={canShare ? undefined : member.role}>
              {canShare && (
                <>
                  <select
                    aria-label={`Role of ${name}`}
                    value={member.role}
                    onChange={({ target }) => setRole(member, target.value as BoardRole)}
                  >
                    {roles.map((role) => (
                      <option key={role}>{role}</option>
                    ))}
                  </select>
                  <button aria-label={`Remove ${name}`} onClick={() => unshare(member)}>
                    Remove
                  </button>
                </>
              )}
            </Row>
          );
        })}
      </Rows>
      {canShare && (
        <ShareForm
          boardId={boardId}
          memberIds={members.map(({ id }) => id)}
          share={(user, role) => change(share(user, role))}
        />
      )}
    </Section>
  );
}

interface ShareFormProps {
  readonly boardId: string;
  readonly memberIds: readonly string[];
  readonly share: (user: string, role: BoardRole) => Promise<boolean>;
}

function ShareForm({ memberIds, share }: ShareFormProps) {
  const { data: users = [] } = useQuery(queries.members);
  const others = users.filter(({ id }) => !memberIds.includes(id));
  if (others.length === 0) return null;
  const send = (fields: FormData) => share(readField(fields, "user"), readField(fields, "role") as BoardRole);
  return (
    <Form label="Share the board" action="Share" send={send}>
      <Field label="Share with">
        {(input) => (
          <select {...input} name="user">
            {others.map(({ id, username }) => (
              <option key={id} value={id}>
                {visible(username)}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="As">
        {(input) => (
          <select {...input} name="role">
            {roles.map((role) => (
              <option key={role}>{role}</option>
            ))}
          </select>
        )}
      </Field>
    </Form>
  );
}
