import type { AgentTestEvent, AgentTestPhase, AgentTestResult } from "@wharf/client";
import { useEffect, useRef, useState } from "react";
import { wharf } from "../../api/index.ts";

interface TestState {
  readonly isRunning: boolean;
  /** The phases that began, in their order. */
  readonly phases: readonly TestPhase[];
  readonly result?: AgentTestResult;
  /** Why nothing is known about the end of the test. */
  readonly error?: unknown;
}

export interface TestPhase {
  readonly phase: AgentTestPhase;
  readonly status: "started" | "done" | "failed";
  readonly elapsed_ms?: number;
}

export interface AgentTestRun extends TestState {
  readonly start: () => void;
  /** Ends the test; its runner is destroyed. */
  readonly stop: () => void;
}

const initialState: TestState = { isRunning: false, phases: [] };

/** Tests an agent type, and ends the test when the page is left. */
export function useAgentTest(typeId: string): AgentTestRun {
  const [state, setState] = useState(initialState);
  const controller = useRef<AbortController>(undefined);
  useEffect(() => () => controller.current?.abort(), []);

  const run = async (signal: AbortSignal) => {
    try {
      for await (const event of wharf.agentTypes.testAgentType(typeId, {}, { signal }))
        setState((previous) => applyEvent(previous, event));
      setState((previous) => ({ ...previous, isRunning: false }));
    } catch (error) {
      if (signal.aborted) setState(initialState);
      else setState((previous) => ({ ...previous, isRunning: false, error }));
    }
  };
  const start = () => {
    if (state.isRunning) return;
    controller.current = new AbortController();
    setState({ ...initialState, isRunning: true });
    void run(controller.current.signal);
  };
  return { ...state, start, stop: () => controller.current?.abort() };
}

function applyEvent(state: TestState, event: AgentTestEvent): TestState {
  if (event.type === "result") return { ...state, result: event };
  const { type: _type, ...phase } = event;
  return { ...state, phases: [...state.phases.filter((one) => one.phase !== phase.phase), phase] };
}
