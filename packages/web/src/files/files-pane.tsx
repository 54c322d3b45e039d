import type { Task } from "@wharf/client";
import { lazy, Suspense, useState } from "react";
import { PaneBoundary } from "../task-data/pane-boundary.tsx";
import type { TaskSearch } from "../task-data/task-search.ts";
import { useWorkspace } from "../task-data/use-workspace.tsx";
import { FileSearch } from "./file-search.tsx";
import { FileTree } from "./file-tree.tsx";
import styles from "./files.module.css";
import { UploadFile } from "./upload-file.tsx";

const FileEditor = lazy(async () => ({ default: (await import("./file-editor.tsx")).FileEditor }));

/** The files of the task's workspace, as they are now. */
export function FilesPane({ task, search }: { task: Task; search: TaskSearch }) {
  const { isReady, notReady } = useWorkspace(task);
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
          <UploadFile taskId={task.id} />
        </div>
        <nav className={styles.tree} aria-label="Files of the workspace">
          {query.trim() === "" ? (
            <FileTree taskId={task.id} path="." selected={search.file} />
          ) : (
            <FileSearch taskId={task.id} query={query.trim()} />
          )}
        </nav>
      </div>
      {search.file === undefined ? (
        <p className={styles.empty}>Choose a file.</p>
      ) : (
        <PaneBoundary key={search.file}>
          <Suspense fallback={<output className={styles.empty}>Opening…</output>}>
            <FileEditor task={task} path={search.file} />
          </Suspense>
        </PaneBoundary>
      )}
    </div>
  );
}
