import { formatAge, useNow } from "../text/index.ts";

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** How long ago or in how long a time is, with the time itself on hover. */
export function Moment({ timestamp }: { timestamp: string }) {
  const now = useNow();
  const time = Date.parse(timestamp);
  const text = time > now ? `in ${formatAge(new Date(now).toISOString(), time)}` : `${formatAge(timestamp, now)} ago`;
  return (
    <time dateTime={timestamp} title={full.format(time)}>
      {text}
    </time>
  );
}
