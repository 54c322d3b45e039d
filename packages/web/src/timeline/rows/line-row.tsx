import { GitCommitHorizontal, Info, MessageSquare, TriangleAlert, Upload } from "lucide-react";
import type { ReactNode } from "react";
import { ActionButton, CopyButton } from "../../actions/index.ts";
import { wharf } from "../../api/index.ts";
import { Time, visible, visibleText } from "../../text/index.ts";
import type { EntryData } from "../entry.ts";
import { useTimelineTask } from "../timeline-context.ts";
import styles from "./rows.module.css";

type LineData = Exclude<
  EntryData,
  { kind: "message" | "thought" | "output" | "tool_call" | "plan" | "permission" | "start" | "turn" }
>;
type LineByKind<K extends LineData["kind"]> = Extract<LineData, { kind: K }>;

/** An event that is one line: commits, pushes, failures, and what Wharf or a person did. */
export function LineRow({ data, timestamp }: { data: LineData; timestamp: string }) {
  switch (data.kind) {
    case "commit":
      return <CommitRow data={data} />;
    case "push":
      return <PushRow data={data} />;
    case "failure":
      return <FailureRow data={data} />;
    case "denied":
      return <DeniedRow data={data} />;
    case "agent_exit":
      return (
        <p className={data.exit_code === 0 ? styles.line : styles.warning}>
          <TriangleAlert size={16} aria-hidden /> The agent's process ended: {visibleText(data.message)}
        </p>
      );
    default:
      return (
        <p className={styles.line}>
          {data.kind === "comment" ? <MessageSquare size={16} aria-hidden /> : <Info size={16} aria-hidden />}{" "}
          {getText(data)} <Time timestamp={timestamp} />
        </p>
      );
  }
}

function CommitRow({ data }: { data: LineByKind<"commit"> }) {
  return (
    <p className={styles.line}>
      <GitCommitHorizontal size={16} aria-hidden /> <code>{visible(data.sha.slice(0, 10))}</code>{" "}
      {visible(data.message.split("\n", 1)[0] ?? "")}{" "}
      <span className={styles.count}>
        <span data-change="added">+{data.additions}</span> <span data-change="removed">−{data.deletions}</span>
      </span>
    </p>
  );
}

function PushRow({ data }: { data: LineByKind<"push"> }) {
  const { task, canPrompt } = useTimelineTask();
  const ref = visible(data.ref.replace("refs/heads/", ""));
  if (data.status === "pushed")
    return (
      <p className={styles.line}>
        <Upload size={16} aria-hidden /> Pushed {ref} to {visible(data.remote)}
      </p>
    );
  return (
    <Alert>
      <p>
        {ref} {data.status === "pending" ? "is not pushed yet" : "was not pushed"}:{" "}
        {visibleText(data.message ?? "no reason was given")}
      </p>
      {canPrompt && <ActionButton label="Push again" Icon={Upload} send={() => wharf.tasks.pushTask(task.id)} />}
    </Alert>
  );
}

/** What went wrong, and what to do about it. */
function FailureRow({ data }: { data: LineByKind<"failure"> }) {
  const { next } = data;
  return (
    <Alert>
      <p>
        {data.source === "runner" && "The runner reports: "}
        {visibleText(data.message)}
      </p>
      {next && <p className={styles.muted}>{visibleText(next)}</p>}
      {next && <CommandButtons text={next} />}
    </Alert>
  );
}

/** The commands that a sentence names in backticks. */
function CommandButtons({ text }: { text: string }) {
  const commands = Array.from(text.matchAll(/`(wharf [^`]+)`/g), ([, command = ""]) => visible(command));
  return commands.map((command) => <CopyButton key={command} text={command} label={`Copy ${command}`} />);
}

function DeniedRow({ data }: { data: LineByKind<"denied"> }) {
  const { task } = useTimelineTask();
  const isPrivate = data.allows_private === true;
  const command = `wharf allow ${data.entry ?? ""}${isPrivate ? " --private" : ""} --task ${task.id.slice(0, 8)}`;
  return (
    <Alert>
      <p>
        The sandbox cannot reach {visible(data.host)}: {visibleText(data.reason)}
      </p>
      {data.entry !== undefined && <CopyButton text={visible(command)} label="Copy the command that allows it" />}
    </Alert>
  );
}

function Alert({ children }: { children: ReactNode }) {
  return (
    <section className={styles.alert} aria-label="Problem">
      <TriangleAlert size={16} aria-hidden />
      <div>{children}</div>
    </section>
  );
}

const commentVerbs = { added: "commented", changed: "changed a comment", deleted: "deleted a comment" } as const;

function getText(data: Exclude<LineData, { kind: "commit" | "push" | "failure" | "denied" | "agent_exit" }>): string {
  switch (data.kind) {
    case "notice":
      return `${data.source === "runner" ? "The runner reports: " : ""}${visibleText(data.message)}`;
    case "comment": {
      const place = data.file === undefined ? "" : ` on ${visible(data.file)}${data.line ? `:${data.line}` : ""}`;
      return `${visible(data.by)} ${commentVerbs[data.status]}${place}`;
    }
    case "update":
      return `The task was changed: ${visible(data.fields.join(", "))}`;
    case "session":
      return "The agent continues its earlier conversation";
    case "state":
      return getStateText(data);
    case "report":
      return getReportText(data);
  }
}

const stateTexts: Readonly<Record<string, string>> = {
  COMPLETED: "The task is accepted",
  CANCELLED: "The task is cancelled",
  FAILED: "The task failed",
  PAUSED: "The agent is paused",
  PENDING: "The start failed, and is tried again",
};

function getStateText({ to, from, reason }: LineByKind<"state">): string {
  const text = stateTexts[to] ?? (from === "PAUSED" ? "The agent continues" : to.toLowerCase());
  return reason ? `${text}: ${visibleText(reason)}` : text;
}

/** A message of an agent that prints JSON lines, in any form. */
function getReportText(data: LineByKind<"report">): string {
  const content: Readonly<Record<string, unknown>> = { ...data, kind: undefined };
  const message = ["message", "text", "content"].map((name) => content[name]).find((one) => typeof one === "string");
  return visibleText(typeof message === "string" ? message : JSON.stringify(content));
}
