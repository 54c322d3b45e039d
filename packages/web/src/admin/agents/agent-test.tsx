import type { AgentTestPhase, AgentTestResult } from "@wharf/client";
import { Problem } from "../../actions/index.ts";
import { formatDuration, visibleText } from "../../text/index.ts";
import styles from "../admin.module.css";
import type { AgentTestRun, TestPhase } from "./use-agent-test.ts";

const phaseNames: Readonly<Record<AgentTestPhase, string>> = {
  queue: "Wait for a slot",
  provision: "Create the runner",
  connect: "Connect to the runner",
  agent: "Start the agent",
  answer: "Wait for its first sign of life",
  turn: "Finish the turn",
};

/** The phases of an agent's test, and its outcome. */
export function AgentTest({ name, test }: { name: string; test: AgentTestRun }) {
  const { isRunning, phases, result, error, stop } = test;
  if (!isRunning && !result && error === undefined) return null;
  return (
    <div className={styles.test} role="group" aria-label={`Test of ${name}`}>
      <ol>
        {phases.map((phase) => (
          <li key={phase.phase}>
            {phaseNames[phase.phase]}: <PhaseState phase={phase} />
          </li>
        ))}
      </ol>
      {isRunning && (
        <div>
          <button onClick={stop}>Stop the test</button>
        </div>
      )}
      <output>{result && <Outcome result={result} />}</output>
      <Problem error={error} />
    </div>
  );
}

function PhaseState({ phase: { status, elapsed_ms: elapsedMs } }: { phase: TestPhase }) {
  if (status === "started") return "…";
  const time = elapsedMs === undefined ? "" : ` (${formatDuration(elapsedMs)})`;
  return <span className={status === "done" ? styles.good : styles.bad}>{`${status}${time}`}</span>;
}

function Outcome({ result }: { result: AgentTestResult }) {
  const { ok, elapsed_ms: elapsedMs, agent, answer, error, output, usage } = result;
  const version = [agent?.name, agent?.version].filter(Boolean).join(" ");
  return (
    <>
      <p className={ok ? styles.good : styles.bad}>
        {ok ? "The agent works" : "The test failed"} {`after ${formatDuration(elapsedMs)}`}
        {version !== "" && `: ${visibleText(version)}`}
      </p>
      {error && <p>{`${visibleText(error.message)} ${visibleText(error.next)}`}</p>}
      {answer !== "" && <pre>{visibleText(answer)}</pre>}
      {output.length > 0 && <pre>{visibleText(output.join("\n"))}</pre>}
      <p>
        {`${usage.model_requests} requests to models, ${usage.input_tokens} tokens in, ${usage.output_tokens} tokens out`}
      </p>
    </>
  );
}
