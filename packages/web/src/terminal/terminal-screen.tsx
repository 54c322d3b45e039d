import { useEffect, useRef, useState } from "react";
import { visible, visibleText } from "../text/index.ts";
import { type TerminalStatus, TerminalView } from "./terminal-view.ts";
import styles from "./terminal.module.css";

/** One terminal of the workspace at a path, with who types in it. */
export function TerminalScreen({ path: workspacePath, terminalId }: { path: string; terminalId: string }) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<TerminalView>(undefined);
  const [status, setStatus] = useState<TerminalStatus>();
  useEffect(() => {
    const path = `${workspacePath}/terminals/${terminalId}/attach`;
    const opened = new TerminalView({ host: host.current!, path, onStatus: setStatus });
    view.current = opened;
    return () => opened[Symbol.dispose]();
  }, [workspacePath, terminalId]);
  return (
    <div className={styles.screen}>
      <div ref={host} className={styles.terminal} />
      <output className={styles.status}>
        {status ? getText(status) : "connecting"}
        {status && canTakeOver(status) && (
          <button type="button" onClick={() => view.current?.takeOver()}>
            Take over
          </button>
        )}
      </output>
    </div>
  );
}

const canTakeOver = ({ typist, isTypist, canType, end }: TerminalStatus): boolean =>
  canType && typist !== undefined && !isTypist && end === undefined;

function getText({ end, isConnected, canType, typist, isTypist, refusal }: TerminalStatus): string {
  if (end !== undefined) return end;
  if (!isConnected) return "No connection; it opens again by itself.";
  if (refusal !== undefined) return visibleText(refusal);
  if (!canType) return "You may watch.";
  if (isTypist) return "You type.";
  return typist === undefined ? "Type to take the keyboard." : `${visible(typist)} types.`;
}
