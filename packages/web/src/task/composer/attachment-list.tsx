import { X } from "lucide-react";
import { formatSize, visible } from "../../text/index.ts";
import styles from "./composer.module.css";

export function AttachmentList({ files, onRemove }: { files: readonly File[]; onRemove: (file: File) => void }) {
  if (files.length === 0) return null;
  return (
    <ul className={styles.attachments} aria-label="Attachments">
      {files.map((file, index) => (
        <li key={index}>
          <bdi>{visible(file.name)}</bdi> <span className={styles.muted}>{formatSize(file.size)}</span>
          <button type="button" aria-label={`Remove ${visible(file.name)}`} onClick={() => onRemove(file)}>
            <X size={14} aria-hidden />
          </button>
        </li>
      ))}
    </ul>
  );
}
