import { useQuery } from "@tanstack/react-query";
import { ChevronDown, ChevronRight } from "lucide-react";
import { useState } from "react";
import { Problem } from "../actions/index.ts";
import type { WorkspacePlace } from "../task-data/workspace-place.ts";
import { visible } from "../text/index.ts";
import { FileLink } from "./file-link.tsx";
import { fileQueries } from "./file-queries.ts";
import styles from "./files.module.css";

interface FileTreeProps {
  readonly place: WorkspacePlace;
  /** The folder. */
  readonly path: string;
  readonly selected: string | undefined;
}

/** A folder with its content; the content of a sub-folder is read when it is opened. */
export function FileTree({ place, path, selected }: FileTreeProps) {
  const { data: page, error } = useQuery(fileQueries.folder(place, path));
  if (!page) return error ? <Problem error={error} /> : <p className={styles.empty}>…</p>;
  const entries = page.entries
    .filter(({ name }) => name !== ".git")
    .toSorted((a, b) => Number(b.type === "directory") - Number(a.type === "directory"));
  return (
    <ul>
      {entries.map(({ name, type }) => {
        const child = path === "." ? name : `${path}/${name}`;
        return (
          <li key={name}>
            {type === "directory" ? (
              <Folder place={place} path={child} name={name} selected={selected} />
            ) : (
              <FileLink path={child} text={name} isSelected={child === selected} />
            )}
          </li>
        );
      })}
      {page.next !== undefined && <li className={styles.empty}>More files are in this folder: search for them.</li>}
    </ul>
  );
}

function Folder({ name, ...props }: FileTreeProps & { readonly name: string }) {
  const [isOpen, setOpen] = useState(props.selected?.startsWith(`${props.path}/`) ?? false);
  const Icon = isOpen ? ChevronDown : ChevronRight;
  return (
    <>
      <button type="button" className={styles.folder} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        <Icon size={14} aria-hidden /> <bdi>{visible(name)}</bdi>
      </button>
      {isOpen && <FileTree {...props} />}
    </>
  );
}
