import { Link } from "@tanstack/react-router";
import { visible } from "../text/index.ts";
import styles from "./files.module.css";

interface FileLinkProps {
  readonly taskId: string;
  readonly path: string;
  readonly text: string;
  readonly isSelected?: boolean;
}

export function FileLink({ taskId, path, text, isSelected = false }: FileLinkProps) {
  return (
    <Link
      className={styles.file}
      to="/tasks/$taskId"
      params={{ taskId }}
      search={{ pane: "files", file: path }}
      activeProps={{ "aria-current": undefined }}
      {...(isSelected && { "aria-current": "true" as const })}
    >
      <bdi>{visible(text)}</bdi>
    </Link>
  );
}
