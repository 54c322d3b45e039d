import { useSuspenseQuery } from "@tanstack/react-query";
import { wharf } from "../api/index.ts";
import { Field } from "../new-task/index.ts";
import { Form, readField, runLimitsQuery, Section, useChange } from "../settings/index.ts";

interface BoardLimitsProps {
  readonly boardId: string;
  readonly canChange: boolean;
}

/** How many turns of the board may run at the same time. */
export function BoardLimits({ boardId, canChange }: BoardLimitsProps) {
  const { data } = useSuspenseQuery(runLimitsQuery);
  const change = useChange(runLimitsQuery.queryKey);
  const limit = data.limits.find(({ board_id }) => board_id === boardId);
  const set = (maxRuns: number) => () => wharf.runLimits.setRunLimit({ board_id: boardId, max_runs: maxRuns });
  const remove = (id: string) => () => wharf.runLimits.removeRunLimit(id);
  const save = (fields: FormData) => change(set(Number(readField(fields, "max"))), { done: "The limit is set." });
  return (
    <Section title="Limits">
      <p>
        {limit
          ? `At most ${limit.max_runs} turns of this board run at the same time; ${limit.running} run now. `
          : `${describeDefault(data.defaults.per_board)} `}
        {limit && canChange && (
          <button
            onClick={() => void change(remove(limit.id), { done: "The limit was removed.", undo: set(limit.max_runs) })}
          >
            Remove the limit
          </button>
        )}
      </p>
      {canChange && (
        <Form label="Limit of the board" action="Set limit" send={save}>
          <Field label="Turns at the same time" hint="0 starts none. Running turns go on.">
            {(input) => <input {...input} name="max" type="number" min={0} max={10_000} step={1} required />}
          </Field>
        </Form>
      )}
    </Section>
  );
}

const describeDefault = (limit: number | undefined): string =>
  limit === undefined
    ? "No limit is set for this board."
    : `By the server's default, at most ${limit} turns of a board run at the same time.`;
