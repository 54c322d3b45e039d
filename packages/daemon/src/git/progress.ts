import type { GitProgress } from "@wharf/contract";

const progressLinePattern = /^(?:remote: )?([A-Z][a-z]+ [a-z]+): +(\d{1,3})% \((\d{1,12})\/(\d{1,12})\)/;
const reportStepPercent = 5; // consecutive reports are this far apart

const progressPhases: ReadonlyMap<string, GitProgress["phase"]> = new Map([
  ["Counting objects", "counting"],
  ["Compressing objects", "compressing"],
  ["Receiving objects", "receiving"],
  ["Resolving deltas", "resolving"],
  ["Updating files", "checking_out"],
]);

/** Creates a reader of git's progress lines that reports each phase in a few steps. */
export function createProgressReader(report: (progress: GitProgress) => void): (line: string) => void {
  const lastSteps = new Map<string, number>();
  return (line) => {
    const [, name = "", percent, completed, total] = progressLinePattern.exec(line) ?? [];
    const phase = progressPhases.get(name);
    if (phase === undefined) return;
    const step = Math.floor(Math.min(100, Number(percent)) / reportStepPercent);
    if (lastSteps.get(phase) === step) return;
    lastSteps.set(phase, step);
    report({ type: "progress", phase, percent: Number(percent), done: Number(completed), total: Number(total) });
  };
}
