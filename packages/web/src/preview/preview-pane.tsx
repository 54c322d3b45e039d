import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Problem } from "../actions/index.ts";
import tabStyles from "../styles/tabs.module.css";
import { usePermissions } from "../task-data/use-permissions.ts";
import { useWorkspace } from "../task-data/use-workspace.tsx";
import type { WorkspacePlace } from "../task-data/workspace-place.ts";
import { visible } from "../text/index.ts";
import { PreviewFrame } from "./preview-frame.tsx";
import styles from "./preview.module.css";

interface PreviewPaneProps {
  readonly place: WorkspacePlace;
  /** The port that the address names. */
  readonly port: number | undefined;
}

/** The programs that listen in a workspace's runner, and one of them in a frame. */
export function PreviewPane(props: PreviewPaneProps) {
  const { isReady, notReady } = useWorkspace(props.place);
  return isReady ? <Previews {...props} /> : notReady;
}

const listRefreshMs = 3_000;

function Previews({ place, port }: PreviewPaneProps) {
  const { canUseTerminals } = usePermissions();
  const { data: ports, error } = useQuery({
    queryKey: ["ports", place.id],
    queryFn: async ({ signal }) => (await place.api.listPorts({ signal })).ports,
    refetchInterval: listRefreshMs,
  });
  if (!ports) return error ? <Problem error={error} /> : <output className={styles.empty}>Opening…</output>;
  const shown = port ?? (ports.length === 1 ? ports[0]?.port : undefined);
  const isListening = ports.some((one) => one.port === shown);

  return (
    <div className={styles.pane}>
      {ports.length > 0 && (
        <div className={styles.ports}>
          <nav className={tabStyles.tabs} aria-label="Ports">
            {ports.map(({ port: one, program }) => (
              <Link
                key={one}
                to="."
                search={{ pane: "preview", port: one }}
                activeProps={{ "aria-current": undefined }}
                {...(one === shown && { "aria-current": "true" as const })}
              >
                {one} {program !== undefined && <small>{visible(program)}</small>}
              </Link>
            ))}
          </nav>
        </div>
      )}
      {shown !== undefined && isListening && canUseTerminals && <PreviewFrame key={shown} place={place} port={shown} />}
      {!canUseTerminals && ports.length > 0 && (
        <p className={styles.empty}>Only people who may use the terminals of this task can open its ports.</p>
      )}
      {!isListening && (ports.length === 0 || shown !== undefined) && <NoProgram port={shown} />}
      {shown === undefined && ports.length > 0 && <p className={styles.empty}>Choose a port.</p>}
    </div>
  );
}

function NoProgram({ port }: { port: number | undefined }) {
  return (
    <div className={styles.empty}>
      <p>
        {port === undefined ? "No program listens on a port of the runner." : `No program listens on port ${port}.`}
      </p>
      <p>
        Start one in a{" "}
        <Link to="." search={{ pane: "terminal" }}>
          terminal
        </Link>
        , such as <code>npm run dev</code>, or ask the agent to start it. It appears here by itself.
      </p>
    </div>
  );
}
