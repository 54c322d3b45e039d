import { lazy, Suspense, useState } from "react";
import { PaneBoundary } from "../task-data/pane-boundary.tsx";
import { useWorkspace } from "../task-data/use-workspace.tsx";
import type { WorkspacePlace } from "../task-data/workspace-place.ts";
import { FileSearch } from "./file-search.tsx";
import { FileTree } from "./file-tree.tsx";
import styles from "./files.module.css";
import { UploadFile } from "./upload-file.tsx";

const FileEditor = lazy(async () => ({ default: (await import("./file-editor.tsx")).FileEditor }));

interface FilesPaneProps {
  readonly place: WorkspacePlace;
  /** The file that the address names. */
  readonly file: string | undefined;
}

/** The files of a workspace, as they are now. */
export function FilesPane({ place, file }: FilesPaneProps) {
  const { isReady, notReady } = useWorkspace(place);
  const [query, setQuery] = useState("");
  if (!isReady) return notReady;
  return (
    <div className={styles.pane}>
      <div className={styles.side}>
        <div className={styles.bar}>
          <input
            type="search"
            aria-label="Search files"
            placeholder="Search names and contents"
            value={query}
            onChange={({ target }) => setQuery(target.value)}
          />
          <UploadFile place={place} />
        </div>
        <nav className={styles.tree} aria-label="Files of the workspace">
          {query.trim() === "" ? (
            <FileTree place={place} path="." selected={file} />
          ) : (
            <FileSearch place={place} query={query.trim()} />
          )}
        </nav>
      </div>
      {file === undefined ? (
        <p className={styles.empty}>Choose a file.</p>
      ) : (
        <PaneBoundary key={file}>
          <Suspense fallback={<output className={styles.empty}>Opening…</output>}>
            <FileEditor place={place} path={file} />
          </Suspense>
        </PaneBoundary>
      )}
    </div>
  );
}
