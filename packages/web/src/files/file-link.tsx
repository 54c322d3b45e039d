import { Link } from "@tanstack/react-router";
import { visible } from "../text/index.ts";
import styles from "./files.module.css";

interface FileLinkProps {
  readonly path: string;
  readonly text: string;
  readonly isSelected?: boolean;
}

export function FileLink({ path, text, isSelected = false }: FileLinkProps) {
  return (
    <Link
      className={styles.file}
      to="."
      search={{ pane: "files", file: path }}
      activeProps={{ "aria-current": undefined }}
      {...(isSelected && { "aria-current": "true" as const })}
    >
      <bdi>{visible(text)}</bdi>
    </Link>
  );
}
