import { queryOptions, useSuspenseQuery } from "@tanstack/react-query";
import type { AgentType } from "@wharf/client";
import { CopyButton } from "../../actions/index.ts";
import { maxPageLength, queries, wharf } from "../../api/index.ts";
import { Row, Rows, Section, useChange } from "../../settings/index.ts";
import { visible } from "../../text/index.ts";
import { AgentTest } from "./agent-test.tsx";
import { useAgentTest } from "./use-agent-test.ts";

const allAgentTypesQuery = queryOptions({
  queryKey: ["agent-types", "all"],
  queryFn: ({ signal }) => Array.fromAsync(wharf.agentTypes.iterateAgentTypes({ limit: maxPageLength }, { signal })),
});

/** The agents that tasks may use. */
export function AgentTypes() {
  const { data: agentTypes } = useSuspenseQuery(allAgentTypesQuery);
  const { data: whoami } = useSuspenseQuery(queries.whoami);
  return (
    <Section
      title="Agents"
      hint="A test starts the agent in a new runner, prompts it once and destroys the runner. It may cost what an answer of the model costs."
    >
      <Rows label="Agents" empty="There are no agents.">
        {agentTypes.map((agentType) => (
          <AgentTypeRow
            key={agentType.id}
            agentType={agentType}
            canChange={!agentType.shared || whoami.user.is_operator}
          />
        ))}
      </Rows>
      <div>
        <CopyButton text="wharf agent-types add --help" label="Copy the command that adds an agent" />
      </div>
    </Section>
  );
}

function AgentTypeRow({ agentType, canChange }: { agentType: AgentType; canChange: boolean }) {
  const { id, name, description, enabled, available, unavailable_reason: reason, shared, version } = agentType;
  const change = useChange(queries.agentTypes.queryKey);
  const test = useAgentTest(id);
  const enable = (isEnabled: boolean) =>
    change(
      () => wharf.agentTypes.updateAgentType(id, { enabled: isEnabled }, { headers: { "if-match": `"${version}"` } }),
      {
        done: `New tasks ${isEnabled ? "may" : "may not"} use ${visible(name)}.`,
        undo: () => wharf.agentTypes.updateAgentType(id, { enabled }),
      },
    );
  return (
    <Row
      name={visible(name)}
      badge={shared ? "of the server" : "of the organization"}
      details={
        <>
          {visible(description)}
          {!available && ` · not available: ${visible(reason ?? "a part is missing")}`}
          {!enabled && " · switched off"}
        </>
      }
    >
      {canChange && (
        <label>
          <input type="checkbox" checked={enabled} onChange={({ target }) => void enable(target.checked)} />{" "}
          {`Tasks may use ${visible(name)}`}
        </label>
      )}
      {enabled && available && (
        <button aria-label={`Test ${visible(name)}`} aria-disabled={test.isRunning} onClick={test.start}>
          Test
        </button>
      )}
      <AgentTest name={visible(name)} test={test} />
    </Row>
  );
}
