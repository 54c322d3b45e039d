import { Link } from "@tanstack/react-router";
import type { RunnerSummary } from "@wharf/client";
import { CirclePause, CirclePlay, CircleStop, FolderTree, type LucideIcon, SquareTerminal, Trash2 } from "lucide-react";
import { usePermissions } from "../task-data/use-permissions.ts";
import { visible } from "../text/index.ts";
import { getRunnerName } from "./fleet-search.ts";
import styles from "./fleet.module.css";
import { actionNames, type RunnerAction } from "./runner-actions.ts";
import type { RunnerActions } from "./use-runner-actions.tsx";

const icons: Readonly<Record<RunnerAction, LucideIcon>> = {
  pause: CirclePause,
  resume: CirclePlay,
  start: CirclePlay,
  stop: CircleStop,
  destroy: Trash2,
};

interface RunnerButtonsProps {
  readonly runner: RunnerSummary;
  readonly actions: RunnerActions;
}

/** What the person may do with a runner. */
export function RunnerButtons({ runner, actions }: RunnerButtonsProps) {
  const name = visible(getRunnerName(runner));
  return (
    <span className={styles.buttons}>
      {actions.list(runner).map((action) => {
        const Icon = icons[action];
        const label = `${actionNames[action]} ${name}`;
        return (
          <button
            key={action}
            type="button"
            aria-label={label}
            title={actionNames[action]}
            onClick={() => actions.ask(runner, action)}
          >
            <Icon size={16} aria-hidden />
          </button>
        );
      })}
    </span>
  );
}

/** The ways to the terminals and the files of a runner. */
export function RunnerViews({ runner }: { runner: RunnerSummary }) {
  const { canUseTerminals, canReadFiles } = usePermissions();
  if (runner.state === "DESTROYED") return null;
  const name = visible(getRunnerName(runner));
  return (
    <span className={styles.buttons}>
      {canUseTerminals && (
        <Link
          to="/fleet/$runnerId"
          params={{ runnerId: runner.id }}
          search={{ pane: "terminal" }}
          aria-label={`Terminal of ${name}`}
          title="Terminal"
        >
          <SquareTerminal size={16} aria-hidden />
        </Link>
      )}
      {canReadFiles && (
        <Link
          to="/fleet/$runnerId"
          params={{ runnerId: runner.id }}
          search={{ pane: "files" }}
          aria-label={`Files of ${name}`}
          title="Files"
        >
          <FolderTree size={16} aria-hidden />
        </Link>
      )}
    </span>
  );
}
