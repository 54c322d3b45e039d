import { CirclePause, CirclePlay } from "lucide-react";
import { useEffect, useState } from "react";
import { Time } from "../text/index.ts";
import type { LogView } from "../timeline/index.ts";
import { getNextStep, speeds, type Speed } from "./playback.ts";
import type { Moment } from "./use-moment.ts";

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** Goes back in the log, and plays it from there. */
export function MomentBar({ log, moment }: { log: LogView; moment: Moment }) {
  const { seq, goTo, goLive } = moment;
  const { firstSeq, lastSeq, events } = log;
  const [speed, setSpeed] = useState<Speed>(1);
  const { isPlaying, setPlaying } = usePlayback(log, moment, speed);
  const shownSeq = seq ?? lastSeq;
  const timestamp = events[Math.min(shownSeq, lastSeq) - firstSeq]?.timestamp;
  const play = () => {
    if (!isPlaying && seq === undefined) goTo(firstSeq);
    setPlaying(!isPlaying);
  };
  const scrub = (newSeq: number) => {
    setPlaying(false);
    if (newSeq < lastSeq) goTo(newSeq);
    else goLive();
  };
  const Icon = isPlaying ? CirclePause : CirclePlay;
  return (
    <>
      <button type="button" onClick={play} disabled={lastSeq <= firstSeq}>
        <Icon size={16} aria-hidden /> {isPlaying ? "Hold" : "Play"}
      </button>
      <select aria-label="Speed" value={speed} onChange={({ target }) => setSpeed(Number(target.value) as Speed)}>
        {speeds.map((one) => (
          <option key={one} value={one}>
            {one}×
          </option>
        ))}
      </select>
      <input
        type="range"
        aria-label="Moment"
        aria-valuetext={timestamp && clock.format(new Date(timestamp))}
        min={firstSeq}
        max={Math.max(firstSeq, lastSeq)}
        value={shownSeq}
        onChange={({ target }) => scrub(target.valueAsNumber)}
        onKeyDown={({ key }) => key === "Escape" && goLive()}
      />
      {seq !== undefined && timestamp !== undefined && <Time timestamp={timestamp} />}
    </>
  );
}

/** Plays the log from the moment that is shown, until its end. */
function usePlayback({ events }: LogView, { seq, goTo, goLive }: Moment, speed: Speed) {
  const [isPlaying, setPlaying] = useState(false);
  useEffect(() => {
    if (!isPlaying || seq === undefined) return undefined;
    const step = getNextStep(events, seq, speed);
    const advance = () => {
      if (step) return goTo(step.seq);
      setPlaying(false);
      return goLive();
    };
    const timer = window.setTimeout(advance, step?.delayMs);
    return () => window.clearTimeout(timer);
  }, [isPlaying, events, seq, speed, goTo, goLive]);
  // The person has gone back to live.
  if (isPlaying && seq === undefined) setPlaying(false);
  return { isPlaying, setPlaying };
}
