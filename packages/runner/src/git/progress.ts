import type { GitProgress } from "@wharf/contract";

const LINE = /^(?:remote: )?([A-Z][a-z]+ [a-z]+): +(\d{1,3})% \((\d{1,12})\/(\d{1,12})\)/;
const STEP = 5; // per cent that one report is apart from the next

const PHASES: ReadonlyMap<string, GitProgress["phase"]> = new Map([
  ["Counting objects", "counting"],
  ["Compressing objects", "compressing"],
  ["Receiving objects", "receiving"],
  ["Resolving deltas", "resolving"],
  ["Updating files", "checking_out"],
]);

/** A reader of git's lines of progress that reports each phase in a few steps. */
export function progressLines(report: (progress: GitProgress) => void): (line: string) => void {
  const last = new Map<string, number>();
  return (line) => {
    const [, name = "", percent, done, total] = LINE.exec(line) ?? [];
    const phase = PHASES.get(name);
    if (phase === undefined) return;
    const step = Math.floor(Math.min(100, Number(percent)) / STEP);
    if (last.get(phase) === step) return;
    last.set(phase, step);
    report({ type: "progress", phase, percent: Number(percent), done: Number(done), total: Number(total) });
  };
}
