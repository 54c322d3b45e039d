import { useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { isWharfError } from "@wharf/client";
import { Download, RotateCcw, Save } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Problem, useAction } from "../actions/index.ts";
import { usePermissions } from "../task-data/use-permissions.ts";
import type { WorkspacePlace } from "../task-data/workspace-place.ts";
import { formatSize, visible } from "../text/index.ts";
import { Editor } from "./editor.ts";
import { fileQueries } from "./file-queries.ts";
import styles from "./files.module.css";

/** A file, which is saved only if nobody else has changed it meanwhile. */
export function FileEditor({ place, path }: { place: WorkspacePlace; path: string }) {
  const client = useQueryClient();
  const { canChangeFiles } = usePermissions();
  const { data: file } = useSuspenseQuery(fileQueries.content(place, path));
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor>(undefined);
  const [isChanged, setChanged] = useState(false);
  const isText = file.encoding === "utf8";

  const { run, isPending, error } = useAction(async () => {
    const content = editor.current?.text ?? file.content;
    const body = { path, content, ...(file.etag !== undefined && { if_match: file.etag }) };
    await place.api.writeFile(body);
    await client.refetchQueries({ queryKey: ["file", place.id, path] });
    setChanged(false);
  });
  const save = useRef(run);
  save.current = run;

  useEffect(() => {
    if (!isText) return undefined;
    const opened = new Editor({
      host: host.current!,
      path,
      text: file.content,
      isReadOnly: !canChangeFiles,
      onChange: (text) => setChanged(text !== file.content),
      onSave: () => save.current(),
    });
    editor.current = opened;
    return () => opened[Symbol.dispose]();
  }, [canChangeFiles, file.content, isText, path]);

  const reload = async () => {
    setChanged(false);
    await client.refetchQueries({ queryKey: ["file", place.id, path] });
  };
  const isOutdated = isWharfError(error, "file_changed");

  return (
    <article className={styles.editor} aria-label={visible(path)}>
      <header>
        <h2>
          <bdi>{visible(path)}</bdi> {isChanged && <span className={styles.muted}>not saved</span>}
        </h2>
        {isOutdated && (
          <button type="button" onClick={() => void reload()}>
            <RotateCcw size={16} aria-hidden /> Discard mine and load it again
          </button>
        )}
        {canChangeFiles && isText && (
          <button type="button" onClick={run} aria-disabled={!isChanged || isPending} data-main>
            <Save size={16} aria-hidden /> Save
          </button>
        )}
        <a href={getDownloadUrl(place, path)} download={path.slice(path.lastIndexOf("/") + 1)}>
          <Download size={16} aria-hidden /> Download
        </a>
      </header>
      <Problem error={error} />
      {isText ? (
        <div ref={host} className={styles.text} />
      ) : (
        <p className={styles.empty}>
          The file is not text ({formatSize(file.size_bytes)}). Download it to see its content.
        </p>
      )}
    </article>
  );
}

const getDownloadUrl = ({ path: workspacePath }: WorkspacePlace, path: string): string =>
  `${workspacePath}/files/download?path=${encodeURIComponent(path)}`;
