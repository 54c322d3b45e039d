import { useQuery } from "@tanstack/react-query";
import { useDeferredValue } from "react";
import { Problem } from "../actions/index.ts";
import type { WorkspacePlace } from "../task-data/workspace-place.ts";
import { visible } from "../text/index.ts";
import { FileLink } from "./file-link.tsx";
import { fileQueries } from "./file-queries.ts";
import styles from "./files.module.css";

/** The files whose names match, and the lines that contain the text. */
export function FileSearch({ place, query }: { place: WorkspacePlace; query: string }) {
  const text = useDeferredValue(query);
  const names = useQuery(fileQueries.names(place, text));
  const contents = useQuery(fileQueries.contents(place, text));
  const isEmpty = names.data?.matches.length === 0 && (contents.data?.length ?? 0) === 0 && !contents.isFetching;
  return (
    <>
      <Problem error={names.error ?? contents.error} />
      {isEmpty && <p className={styles.empty}>Nothing matches.</p>}
      <ul>
        {names.data?.matches.map(({ path }) => (
          <li key={path}>
            <FileLink path={path} text={path} />
          </li>
        ))}
      </ul>
      <ul>
        {contents.data?.map(({ path, line, text: found }) => (
          <li key={`${path}:${line}`}>
            <FileLink path={path} text={`${path}:${line}`} />
            <code className={styles.found}>{visible(found.trim())}</code>
          </li>
        ))}
      </ul>
    </>
  );
}
