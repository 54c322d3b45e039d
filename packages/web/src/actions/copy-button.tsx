import { Check, Copy } from "lucide-react";
import { useState } from "react";

/** Copies a text, such as the command that does on the command line what the page shows. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState<string>();
  const isCopied = copied === text;
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(text));
  const Icon = isCopied ? Check : Copy;
  return (
    <button type="button" onClick={copy} title={text}>
      <Icon size={16} aria-hidden /> {isCopied ? "Copied" : label}
    </button>
  );
}
