import { Link } from "@tanstack/react-router";
import { visible } from "../text/index.ts";
import styles from "./changes.module.css";
import type { ChangedFile } from "./diff-queries.ts";

interface FileListProps {
  readonly taskId: string;
  readonly files: readonly ChangedFile[];
  readonly selected: string;
  readonly turn: number | undefined;
}

/** The changed files, by folder. */
export function FileList({ taskId, files, selected, turn }: FileListProps) {
  const folders = Map.groupBy(files, ({ path }) => path.slice(0, Math.max(0, path.lastIndexOf("/"))));
  return (
    <nav className={styles.files} aria-label="Changed files">
      {Array.from(folders, ([folder, content]) => (
        <section key={folder} aria-label={folder === "" ? "Files" : visible(folder)}>
          {folder !== "" && (
            <h2>
              <bdi>{visible(folder)}</bdi>
            </h2>
          )}
          <ul>
            {content.map(({ path, additions, deletions }) => (
              <li key={path}>
                <Link
                  to="/tasks/$taskId"
                  params={{ taskId }}
                  search={{ pane: "changes", file: path, ...(turn !== undefined && { turn }) }}
                  activeProps={{ "aria-current": undefined }}
                  {...(path === selected && { "aria-current": "true" as const })}
                >
                  <bdi>{visible(path.slice(path.lastIndexOf("/") + 1))}</bdi>
                  <span className={styles.total}>
                    <span data-change="added">+{additions}</span> <span data-change="removed">−{deletions}</span>
                  </span>
                </Link>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </nav>
  );
}
