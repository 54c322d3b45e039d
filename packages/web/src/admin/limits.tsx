import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import type { NamedTier, RunLimit, RunLimitInput, Tier } from "@wharf/client";
import { tierNames, tiers } from "@wharf/contract/tiers";
import { useState } from "react";
import { queries, wharf } from "../api/index.ts";
import { Field } from "../new-task/index.ts";
import { Form, readField, Row, Rows, runLimitsQuery, Section, useChange } from "../settings/index.ts";
import { visible } from "../text/index.ts";

const scopes = { organization: "the organization", board: "a board", user: "a person", tier: "a size of runners" };
type Scope = keyof typeof scopes;

/** How many turns may run at the same time. */
export function Limits() {
  const { data } = useSuspenseQuery(runLimitsQuery);
  const change = useChange(runLimitsQuery.queryKey);
  const set = (input: RunLimitInput) => change(() => wharf.runLimits.setRunLimit(input), { done: "The limit is set." });
  const remove = (limit: RunLimit) =>
    change(() => wharf.runLimits.removeRunLimit(limit.id), {
      done: "The limit was removed: the server's default applies.",
      undo: () => wharf.runLimits.setRunLimit(toInput(limit)),
    });
  const sizeLimits = new Map(data.limits.map(({ tier, max_runs }) => [tier, max_runs]));
  const { per_user, per_board, per_organization } = data.defaults;
  return (
    <>
      <Section title="Turns at the same time" hint="Others wait in the queue. Running turns go on.">
        <Rows label="Limits" empty="Nobody has set a limit: the defaults apply.">
          {data.limits.map((limit) => (
            <Row
              key={limit.id}
              name={`${limit.max_runs} for ${visible(limit.name)}`}
              badge={limit.scope}
              details={`${limit.running} ${limit.running === 1 ? "runs" : "run"} now`}
            >
              <button aria-label={`Remove the limit of ${visible(limit.name)}`} onClick={() => void remove(limit)}>
                Remove
              </button>
            </Row>
          ))}
        </Rows>
        <p>
          {`Defaults of the server: ${formatDefault(per_user)} for each person, ${formatDefault(per_board)} for each board, ${formatDefault(per_organization)} for each organization.`}
        </p>
        <LimitForm set={set} />
      </Section>
      <Section
        title="Sizes of runners"
        hint="A task or its agent names the size of its runner. A custom one lists its own."
      >
        <Rows label="Sizes of runners" empty="">
          {tierNames.map((tier) => (
            <Row key={tier} name={tier} details={describeSize(tier, sizeLimits.get(tier))} />
          ))}
        </Rows>
      </Section>
    </>
  );
}

function describeSize(tier: NamedTier, maxTurns: number | undefined): string {
  const { cpu_millicores, memory_mb, storage_gb } = tiers[tier];
  const cpus = cpu_millicores / 1_000;
  return [
    `${cpus} ${cpus === 1 ? "CPU" : "CPUs"}`,
    `${memory_mb / 1_024} GB of memory`,
    `${storage_gb} GB of disk`,
    maxTurns !== undefined && `at most ${maxTurns} turns at the same time`,
  ]
    .filter(Boolean)
    .join(" · ");
}

const formatDefault = (limit: number | undefined): string => (limit === undefined ? "any number" : String(limit));

function LimitForm({ set }: { set: (input: RunLimitInput) => Promise<boolean> }) {
  const [scope, setScope] = useState<Scope>("organization");
  const send = (fields: FormData) => {
    const target = readField(fields, "target");
    return set({
      max_runs: Number(readField(fields, "max")),
      ...(scope === "board" && { board_id: target }),
      ...(scope === "user" && { user: target }),
      ...(scope === "tier" && { tier: target as Tier }),
    });
  };
  return (
    <Form label="Set a limit" action="Set limit" send={send}>
      <Field label="Limit of">
        {(input) => (
          <select {...input} value={scope} onChange={({ target }) => setScope(target.value as Scope)}>
            {Object.entries(scopes).map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        )}
      </Field>
      {scope !== "organization" && <TargetField scope={scope} />}
      <Field label="Turns at the same time" hint="0 starts none.">
        {(input) => <input {...input} name="max" type="number" min={0} max={10_000} step={1} required />}
      </Field>
    </Form>
  );
}

function TargetField({ scope }: { scope: Exclude<Scope, "organization"> }) {
  const { data: boards = [] } = useQuery(queries.boards);
  const { data: members = [] } = useQuery(queries.members);
  const targets = {
    board: boards.map(({ id, name }) => [id, visible(name)] as const),
    user: members.map(({ id, username }) => [id, visible(username)] as const),
    tier: tierNames.map((tier) => [tier, tier] as const),
  }[scope];
  return (
    <Field label="Which">
      {(input) => (
        <select {...input} name="target">
          {targets.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

const toInput = ({ board_id, user_id, tier, max_runs }: RunLimit): RunLimitInput => ({
  max_runs,
  ...(board_id !== undefined && { board_id }),
  ...(user_id !== undefined && { user: user_id }),
  ...(tier !== undefined && { tier }),
});
