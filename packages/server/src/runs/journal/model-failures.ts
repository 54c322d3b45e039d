const codes: ReadonlySet<string> = new Set(["agent_model_failed", "agent_refused", "agent_exited", "agent_timeout"]);

/** Whether the fault of a model's server may have caused an agent's failure. */
export const isModelFailure = (code: string): boolean => codes.has(code);
