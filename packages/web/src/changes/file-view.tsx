import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import type { Comment, Task, Turn } from "@wharf/client";
import { useMemo, useRef, useState } from "react";
import { Virtualizer } from "virtua";
import { CopyButton } from "../actions/index.ts";
import { taskQueries } from "../task-data/task-queries.ts";
import { usePermissions } from "../task-data/use-permissions.ts";
import { visible } from "../text/index.ts";
import styles from "./changes.module.css";
import { CommentForm, CommentView } from "./comments.tsx";
import { diffQueries } from "./diff-queries.ts";
import { DiscardFile } from "./discard-file.tsx";
import { type LinePlace, PatchRowView, type StartComment } from "./patch-rows.tsx";
import { parsePatch, type PatchRow, toPairs, toRows } from "./patch.ts";
import { useHighlight } from "./use-highlight.ts";
import type { Layout } from "./use-layout.ts";

interface FileViewProps {
  readonly task: Task;
  readonly turns: readonly Turn[];
  readonly turn: number | undefined;
  readonly path: string;
  readonly base: string;
  readonly layout: Layout;
}

/** The changes of one file, with the comments on its lines. */
export function FileView({ task, turns, turn, path, base, layout }: FileViewProps) {
  const { data: changes } = useSuspenseQuery(diffQueries.patch(task.id, turn, path));
  const { data: comments = [] } = useQuery(taskQueries.comments(task.id));
  const { canComment, canChangeFiles } = usePermissions();
  const [draftPlace, setDraftPlace] = useState<LinePlace>();
  const scroller = useRef<HTMLElement>(null);
  const lines = useMemo(() => parsePatch(changes.patch), [changes.patch]);
  const rows = useMemo(() => (layout === "split" ? toPairs(lines) : toRows(lines)), [layout, lines]);
  const highlighted = useHighlight(path, lines);
  const ownComments = useMemo(
    () => comments.filter(({ file, sent_turn_id: sent }) => file === path && sent === undefined),
    [comments, path],
  );
  const start: StartComment | undefined = canComment ? setDraftPlace : undefined;
  const isAtWork = turns.some(({ state }) => state === "RUNNING");

  return (
    <article className={styles.file} aria-label={`Changes of ${visible(path)}`}>
      <header>
        <h2>
          <bdi>{visible(path)}</bdi>
        </h2>
        {canChangeFiles && turn === undefined && !isAtWork && <DiscardFile task={task} path={path} base={base} />}
        <CopyButton text={getCommand(task.id, path, turn)} label="Copy command" />
      </header>
      <section ref={scroller} className={styles.lines} tabIndex={0} aria-label="Lines" data-layout={layout}>
        <Virtualizer data={rows} scrollRef={scroller}>
          {(row: PatchRow, index) => {
            const places = getPlaces(row);
            const draft = draftPlace && places.find((place) => isSamePlace(place, draftPlace));
            return (
              <div key={index}>
                <PatchRowView row={row} start={start} highlighted={highlighted} />
                {findComments(ownComments, places).map((comment) => (
                  <CommentView key={comment.id} comment={comment} />
                ))}
                {draft && (
                  <CommentForm
                    task={task}
                    turnId={turn === undefined ? undefined : turns[turn - 1]?.id}
                    path={path}
                    place={draft}
                    onClose={() => setDraftPlace(undefined)}
                  />
                )}
              </div>
            );
          }}
        </Virtualizer>
        {changes.truncated && <p className={styles.empty}>The rest is too long to show.</p>}
      </section>
    </article>
  );
}

const isSamePlace = (a: LinePlace, b: LinePlace): boolean => a.side === b.side && a.line === b.line;

/** The places that a row shows: of a line on both sides, the one with the changes. */
function getPlaces(row: PatchRow): LinePlace[] {
  const lines = "whole" in row ? [row.whole] : [row.before, row.after];
  return lines.flatMap((line): LinePlace[] => {
    if (!line || line.type === "hunk") return [];
    if (line.newLine !== undefined) return [{ side: "new", line: line.newLine }];
    return line.oldLine === undefined ? [] : [{ side: "old", line: line.oldLine }];
  });
}

const findComments = (comments: readonly Comment[], places: readonly LinePlace[]): Comment[] =>
  comments.filter(({ line, side = "new" }) => places.some((place) => place.side === side && place.line === line));

const getCommand = (taskId: string, path: string, turn: number | undefined): string =>
  `wharf task diff ${taskId.slice(0, 8)}${turn === undefined ? "" : ` --turn ${turn}`} --path ${quote(path)}`;

const quote = (path: string): string =>
  /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
