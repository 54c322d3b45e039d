import { toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";

export interface IsolationInfo {
  readonly backend: string;
  readonly isolation: string;
  readonly isolation_reason?: string | undefined;
}

const bubblewrapHint =
  "Install bubblewrap (`apt install bubblewrap`, `dnf install bubblewrap`) and allow user namespaces; `wharf doctor` explains how.";

export const formatIsolation = ({ backend, isolation }: IsolationInfo, style: Style): string =>
  isolation === "unsafe"
    ? style.red("UNSAFE: none")
    : `${formatIsolationLevel(isolation, style)} (${toSingleLine(backend, 40)})`;

/** Formats a runner's isolation, with emphasis if it is missing. */
export const formatIsolationLevel = (isolation: string, style: Style): string => {
  if (isolation === "unsafe") return style.red("WITHOUT A SANDBOX");
  return isolation === "unenforced" ? style.red("ISOLATION NOT ENFORCED") : toSingleLine(isolation, 40);
};

/** Warns prominently that agents run without a sandbox. */
export function formatUnsafeWarning({ isolation, isolation_reason }: IsolationInfo, style: Style): string {
  if (isolation !== "unsafe") return "";
  const lines = [
    "AGENTS RUN WITHOUT A SANDBOX",
    `Why: ${toSingleLine(isolation_reason ?? "no sandbox can be created here", 300)}.`,
    "Agents are plain processes: they can read and change everything that you can, and reach the network.",
    "Model keys are withheld from them unless WHARF_LOCAL_UNSAFE=1 is set.",
    bubblewrapHint,
  ];
  return lines.map((line, i) => `${style.red("!!")} ${i === 0 ? style.inverse(` ${line} `) : line}\n`).join("");
}
