import { queryOptions, useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { AllowedHost, AllowedHostInput, DeniedHost } from "@wharf/client";
import { maxPageLength, queries, wharf } from "../api/index.ts";
import { Field } from "../new-task/index.ts";
import { Form, Moment, readField, Row, Rows, Section, useChange } from "../settings/index.ts";
import { visible } from "../text/index.ts";

const refreshIntervalMs = 15_000;

const allowedQuery = queryOptions({
  queryKey: ["hosts", "allowed"],
  queryFn: async ({ signal }) => {
    const [{ presets }, hosts] = await Promise.all([
      wharf.allowedHosts.listAllowedHosts({ limit: 1 }, { signal }),
      Array.fromAsync(wharf.allowedHosts.iterateAllowedHosts({ limit: maxPageLength }, { signal })),
    ]);
    return { presets, hosts };
  },
});
const deniedQuery = queryOptions({
  queryKey: ["hosts", "denied"],
  queryFn: ({ signal }) => Array.fromAsync(wharf.deniedHosts.iterateDeniedHosts({ limit: maxPageLength }, { signal })),
  refetchInterval: refreshIntervalMs,
});

/** The hosts that runners may reach, and those that they asked for. */
export function Hosts() {
  const { data: denied } = useSuspenseQuery(deniedQuery);
  const { data: allowed } = useSuspenseQuery(allowedQuery);
  const change = useChange(["hosts"]);
  const allow = (input: AllowedHostInput) => {
    let id: string | undefined;
    return change(async () => ({ id } = await wharf.allowedHosts.allowHost(input)), {
      done: `${input.entry} is allowed.`,
      undo: async () => id !== undefined && wharf.allowedHosts.removeAllowedHost(id),
    });
  };
  const remove = (host: AllowedHost, id: string) =>
    change(() => wharf.allowedHosts.removeAllowedHost(id), {
      done: `${host.entry} is no longer allowed. Open connections continue.`,
      undo: () => wharf.allowedHosts.allowHost(toInput(host)),
    });
  return (
    <>
      <Section title="Refused hosts" hint="Runners asked for these hosts. Each stays refused until you allow it.">
        <Rows label="Refused hosts" empty="No runner was refused a host.">
          {denied.map((host) => (
            <DeniedRow key={`${host.task_id} ${host.entry}`} host={host} onAllow={(input) => void allow(input)} />
          ))}
        </Rows>
      </Section>
      <Section title="Allowed hosts">
        <Rows label="Allowed hosts" empty="Runners reach only their models and repositories.">
          {allowed.hosts.map((host) => (
            <AllowedRow key={host.id ?? host.entry} host={host} onRemove={(id) => void remove(host, id)} />
          ))}
        </Rows>
        <AllowForm presets={allowed.presets.map(({ name }) => name)} allow={allow} />
      </Section>
    </>
  );
}

interface DeniedRowProps {
  readonly host: DeniedHost;
  readonly onAllow: (input: AllowedHostInput) => void;
}

function DeniedRow({ host, onAllow }: DeniedRowProps) {
  const { entry, allows_private, task_id, reason, attempts, last_at } = host;
  const name = visible(entry);
  return (
    <Row
      name={name}
      badge={allows_private ? "private network" : undefined}
      details={
        <>
          {`${visible(reason)} · ${attempts} ${attempts === 1 ? "attempt" : "attempts"}, the last `}
          <Moment timestamp={last_at} />
          {", by "}
          <Link to="/tasks/$taskId" params={{ taskId: task_id }}>
            a task
          </Link>
        </>
      }
    >
      <button onClick={() => onAllow({ entry, allows_private, task_id })}>{`Allow ${name} for this task`}</button>
      <button onClick={() => onAllow({ entry, allows_private })}>for all</button>
    </Row>
  );
}

function AllowedRow({ host, onRemove }: { host: AllowedHost; onRemove: (id: string) => void }) {
  const { id, entry, hosts, source, agent_type, task_id, allows_private } = host;
  const scope = agent_type !== undefined ? `for ${agent_type}` : task_id !== undefined ? "for one task" : "for all";
  const details = [hosts.join(", "), allows_private && "also in private networks"].filter(Boolean).join(" · ");
  return (
    <Row name={visible(entry)} badge={visible(scope)} details={visible(details)}>
      {source === "setting" && "from WHARF_RUNNER_HOSTS"}
      {id !== undefined && (
        <button aria-label={`Remove ${visible(entry)}`} onClick={() => onRemove(id)}>
          Remove
        </button>
      )}
    </Row>
  );
}

interface AllowFormProps {
  readonly presets: readonly string[];
  readonly allow: (input: AllowedHostInput) => Promise<boolean>;
}

function AllowForm({ presets, allow }: AllowFormProps) {
  const { data: agentTypes = [] } = useQuery(queries.agentTypes);
  const send = (fields: FormData) => {
    const agentType = readField(fields, "agent");
    return allow({
      entry: readField(fields, "entry"),
      allows_private: fields.has("private"),
      ...(agentType !== "" && { agent_type: agentType }),
    });
  };
  return (
    <Form label="Allow a host" action="Allow" send={send}>
      <Field label="Host or preset" hint={`Presets: ${presets.join(", ")}`}>
        {(input) => <input {...input} name="entry" required maxLength={260} placeholder="*.example.com" />}
      </Field>
      <Field label="Runners">
        {(input) => (
          <select {...input} name="agent">
            <option value="">all</option>
            {agentTypes.map(({ id, name }) => (
              <option key={id} value={name}>{`those of ${visible(name)}`}</option>
            ))}
          </select>
        )}
      </Field>
      <label>
        <input type="checkbox" name="private" /> Its addresses may be in a private network
      </label>
    </Form>
  );
}

const toInput = ({ entry, allows_private, agent_type, task_id }: AllowedHost): AllowedHostInput => ({
  entry,
  allows_private,
  ...(agent_type !== undefined && { agent_type }),
  ...(task_id !== undefined && { task_id }),
});
