import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import type { TerminalInfo } from "@wharf/client";
import { Plus, SquareTerminal, X } from "lucide-react";
import { ActionButton, CopyButton, Problem } from "../actions/index.ts";
import tabStyles from "../styles/tabs.module.css";
import { usePermissions } from "../task-data/use-permissions.ts";
import { useWorkspace } from "../task-data/use-workspace.tsx";
import type { WorkspacePlace } from "../task-data/workspace-place.ts";
import { visible } from "../text/index.ts";
import { TerminalScreen } from "./terminal-screen.tsx";
import styles from "./terminal.module.css";

interface TerminalPaneProps {
  readonly place: WorkspacePlace;
  /** The terminal that the address names. */
  readonly terminalId: string | undefined;
}

/** The terminals of a workspace's runner. */
export function TerminalPane(props: TerminalPaneProps) {
  const { isReady, notReady } = useWorkspace(props.place);
  return isReady ? <Terminals {...props} /> : notReady;
}

const listRefreshMs = 5_000;
const consoleId = "console";

function Terminals({ place, terminalId }: TerminalPaneProps) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { canUseTerminals } = usePermissions();
  const queryKey = ["terminals", place.id];
  const { data: terminals, error } = useQuery({
    queryKey,
    queryFn: async ({ signal }) => (await place.api.terminals({ signal })).terminals,
    refetchInterval: listRefreshMs,
  });
  if (!terminals) return error ? <Problem error={error} /> : <output className={styles.empty}>Opening…</output>;
  const listed = terminals.filter(({ terminal_id: id }) => id !== consoleId);
  const shown =
    listed.find(({ terminal_id: id }) => id === terminalId) ?? listed.findLast(({ state }) => state === "running");

  const show = (id?: string) =>
    navigate({ to: ".", search: { pane: "terminal", ...(id !== undefined && { terminal: id }) } });
  const create = async () => {
    const { terminal_id: id } = await place.api.createTerminal({});
    await client.invalidateQueries({ queryKey });
    await show(id);
  };
  const close = async (id: string) => {
    await place.api.removeTerminal(id);
    await client.invalidateQueries({ queryKey });
    await show();
  };

  return (
    <div className={styles.pane}>
      <div className={styles.bar}>
        <nav className={tabStyles.tabs} aria-label="Terminals">
          {listed.map((terminal, index) => (
            <Link
              key={terminal.terminal_id}
              to="."
              search={{ pane: "terminal", terminal: terminal.terminal_id }}
              activeProps={{ "aria-current": undefined }}
              {...(terminal === shown && { "aria-current": "true" as const })}
            >
              <SquareTerminal size={14} aria-hidden /> {getName(terminal, index)}
            </Link>
          ))}
        </nav>
        {canUseTerminals && <ActionButton label="New terminal" Icon={Plus} isSmall={listed.length > 0} send={create} />}
        {shown && canUseTerminals && (
          <ActionButton label="Close terminal" Icon={X} isSmall send={() => close(shown.terminal_id)} />
        )}
        {shown && <CopyButton text={getCommand(place.id, shown.terminal_id)} label="Copy command" />}
      </div>
      {shown ? (
        <TerminalScreen key={shown.terminal_id} path={place.path} terminalId={shown.terminal_id} />
      ) : (
        <p className={styles.empty}>No terminal is open.</p>
      )}
    </div>
  );
}

const getName = ({ name, state }: TerminalInfo, index: number): string =>
  `${name === undefined ? `Terminal ${index + 1}` : visible(name)}${state === "running" ? "" : " (ended)"}`;

const getCommand = (workspaceId: string, terminalId: string): string =>
  `wharf workspace attach ${workspaceId.slice(0, 8)} --terminal ${terminalId}`;
