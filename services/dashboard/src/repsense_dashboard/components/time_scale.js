// Times on an axis and in words.

const STEPS_S = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600,
];
const MINUTE_S = 60;

// Whether a moment is better told by the clock than by counting seconds.
function byClock(start_ms, duration_s) {
  return start_ms !== null && duration_s > 2 * MINUTE_S;
}

// The moments between `from_s` and `to_s` at which an axis has labels, no closer than `most` of them allow; on round
// times of the day if there is a `start_ms`.
function ticks(from_s, to_s, most, start_ms) {
  const step_s = STEPS_S.find((step) => (to_s - from_s) / step <= most) ?? STEPS_S.at(-1);
  // Days begin where the reader is.
  const zero_s = start_ms === null ? 0 : (start_ms - new Date(start_ms).getTimezoneOffset() * 60_000) / 1000;
  const found = [];
  for (let turn = Math.ceil((from_s + zero_s) / step_s); turn * step_s - zero_s <= to_s; turn += 1) {
    found.push(turn * step_s - zero_s);
  }
  return { at_s: found, step_s };
}

// "10:42", or "10:42:05" where seconds matter; without a clock "12.5 s".
function momentInWords(at_s, start_ms, step_s) {
  if (start_ms === null) {
    return `${trimmed(at_s, step_s < 1 ? 1 : 0)}\u00a0s`;
  }
  const style = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Date(start_ms + at_s * 1000).toLocaleTimeString("en-GB", step_s < MINUTE_S ? { ...style, second: "2-digit" } : style);
}

// "5.6 s", "3 min 20 s", "2 h 5 min".
function lengthInWords(seconds) {
  if (seconds < MINUTE_S) {
    return `${trimmed(seconds, 1)}\u00a0s`;
  }
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const parts = hours ? [`${hours}\u00a0h`, minutes && `${minutes}\u00a0min`] : [`${minutes}\u00a0min`, rest && `${rest}\u00a0s`];
  return parts.filter(Boolean).join(" ");
}

function trimmed(number, decimals) {
  return number.toFixed(decimals).replace(/\.0+$/, "");
}
