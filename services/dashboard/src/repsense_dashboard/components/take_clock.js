// Large digits that run evenly between the refreshes of the page, and keep a phone's screen awake meanwhile.

const TOLERANCE_S = 0.4;
const TURN_MS = 50;

export default function ({ data, parentElement }) {
  let clock = parentElement.querySelector(".rs-clock");
  if (!clock) {
    clock = document.createElement("div");
    clock.className = "rs-clock";
    clock.setAttribute("role", "timer");
    parentElement.appendChild(clock);
    clock.turning = setInterval(() => turn(clock), TURN_MS);
    stayAwake(clock);
  }
  const now_s = performance.now() / 1000;
  const zero_s = data.counts === "down" ? now_s + data.seconds : now_s - data.seconds;
  // Answers come sooner or later: only what is clearly wrong is corrected, so that no second is shown twice.
  if (clock.token !== data.token || Math.abs(zero_s - clock.zero_s) > TOLERANCE_S) {
    clock.token = data.token;
    clock.zero_s = zero_s;
  }
  clock.data = data;
  turn(clock);
  return () => {
    clearInterval(clock.turning);
    clock.gone = true;
    clock.lock?.release();
  };
}

function turn(clock) {
  const now_s = performance.now() / 1000;
  const { counts, at_zero, with_minutes } = clock.data;
  const seconds = Math.max(0, counts === "down" ? Math.ceil(clock.zero_s - now_s) : Math.floor(now_s - clock.zero_s));
  const digits = with_minutes ? `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}` : `${seconds}`;
  const shown = counts === "down" && seconds === 0 && at_zero ? at_zero : digits;
  if (clock.textContent !== shown) {
    clock.textContent = shown;
  }
}

// Only where the browser has it (not over plain HTTP from another machine), and only as a favour.
function stayAwake(clock) {
  navigator.wakeLock?.request("screen").then(
    (lock) => {
      clock.lock = lock;
      if (clock.gone) {
        lock.release();
      }
    },
    () => {},
  );
}
