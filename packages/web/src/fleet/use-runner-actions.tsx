import { useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import type { RunnerSummary } from "@wharf/client";
import { type ReactNode, useCallback, useMemo, useState } from "react";
import { perform, queries } from "../api/index.ts";
import { ConfirmDialog } from "../dialogs/index.ts";
import { visible } from "../text/index.ts";
import { getRunnerName } from "./fleet-search.ts";
import {
  actionNames,
  getActions,
  getLoss,
  getResult,
  type RunnerAction,
  type RunnerRights,
  sendAction,
} from "./runner-actions.ts";

export interface RunnerActions {
  readonly list: (runner: RunnerSummary) => readonly RunnerAction[];
  /** Does it, after a question if something would be lost. */
  readonly ask: (runner: RunnerSummary, action: RunnerAction) => void;
  /** The question. */
  readonly dialog: ReactNode;
}

/** What the person may do with runners. */
export function useRunnerActions(): RunnerActions {
  const client = useQueryClient();
  const rights = useRunnerRights();
  const [question, setQuestion] = useState<{ readonly runner: RunnerSummary; readonly action: RunnerAction }>();
  const send = useCallback(
    async (runner: RunnerSummary, action: RunnerAction) => {
      await perform(() => sendAction(runner, action), { done: getResult(runner, action) });
      await client.invalidateQueries({ queryKey: ["fleet"] });
    },
    [client],
  );
  const ask = useCallback(
    (runner: RunnerSummary, action: RunnerAction) => {
      if (getLoss(runner, action) === undefined) void send(runner, action);
      else setQuestion({ runner, action });
    },
    [send],
  );
  const list = useCallback((runner: RunnerSummary) => getActions(runner, rights), [rights]);
  const dialog = question && (
    <ConfirmDialog
      title={`${actionNames[question.action]} “${visible(getRunnerName(question.runner)).slice(0, 80)}”?`}
      loss={getLoss(question.runner, question.action) ?? ""}
      label={actionNames[question.action]}
      onConfirm={() => void send(question.runner, question.action)}
      onClose={() => setQuestion(undefined)}
    />
  );
  return { list, ask, dialog };
}

function useRunnerRights(): RunnerRights {
  const { data: whoami } = useSuspenseQuery(queries.whoami);
  const { data: boards } = useSuspenseQuery(queries.boards);
  return useMemo(
    () => ({
      permissions: new Set<string>(whoami.permissions),
      boardRoles: new Map(boards.map(({ id, role }) => [id, role])),
    }),
    [boards, whoami],
  );
}
